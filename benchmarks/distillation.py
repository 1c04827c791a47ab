"""Would a distilled refiner earn its place? `python benchmarks/distillation.py hopper-medium-expert`.

Two students of each trained denoiser of a finished run, in the current folder, beside the planners that they
would replace. Both need one branch where guidance needs two; both begin as copies of the denoiser and learn,
with the shipped settings but STEPS and LEARNING_RATE, on noisy windows of the data:
  guidance  the guided prediction at the last steps (Meng et al. 2023, section 3.1)
  chain     in one call, the end of the guided chain over the last steps (in the manner of consistency
            distillation, Song et al. 2023)
Printed are scores in the real environment, and times at batch 1 and with 32 candidates, interleaved.
"""

import argparse
import copy
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from torch import Tensor

from trajectory_diffuser.common.device import computing_device, device_name
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.stage import ending_with_one_line
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.datasets.windows import PreparedDataset, WindowSampler
from trajectory_diffuser.diffusion.guidance import classifier_free_guidance, guidance_conditions
from trajectory_diffuser.diffusion.schedule import end_of_chain
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner
from trajectory_diffuser.training.checkpoint import Checkpoint
from trajectory_diffuser.training.loop import train

STEPS, LEARNING_RATE = 1500, 0.0002
LAST = 5  # diffusion steps that are distilled


def main() -> None:
    """Train the students of every seed, then print a row per planner."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    params = load_params()
    parser.add_argument("task", choices=params["run"]["tasks"])
    parser.add_argument("--episodes", type=int, default=10, help="per seed")
    arguments = parser.parse_args()
    task = arguments.task
    if params["tasks"][task]["guidance"] in (0, 1):
        sys.exit(f"tasks.{task}.guidance is 0 or 1: one branch does already, there is nothing to distil")
    dataset = PreparedDataset.load(Path("data/processed") / task)
    with computing_device(params["run"]["device"], 1) as device:
        print(f"{device_name(device)}, {torch.get_num_threads()} thread(s), commit {code_commit()}")
        scores: dict[str, list[np.ndarray]] = {}
        for seed in params["run"]["seeds"]:
            planners = students(params, task, seed, dataset, device)
            for name, (models, row) in planners.items():
                found = evaluate(params, task, dataset, models, row, device, arguments.episodes)
                scores.setdefault(name, []).append(found)
        print(f"{'planner':36} {'score':>6}  by seed{'':9} {'ms':>6} {'ms, 32 candidates':>18}")
        alone, many = (times(planners, dataset, candidates, device) for candidates in (1, 32))
        for name, values in scores.items():
            by_seed = " ".join(f"{value.mean():.1f}" for value in values)
            print(f"{name:36} {np.mean(values):6.1f}  {by_seed:15} {alone[name]:6.2f} {many[name]:18.2f}")


def students(
    params: dict[str, Any], task: str, seed: int, dataset: PreparedDataset, device: torch.device
) -> dict[str, tuple[PlanningModels, dict[str, Any]]]:
    """The networks and the row of every planner that is compared."""
    task_settings = params["tasks"][task]
    teacher = PlanningModels.load(run_directory(task, seed), device)
    sampler = WindowSampler(
        dataset,
        task_settings["horizon"],
        device,
        return_scale=task_settings["return_scale"],
        absorbing=True,
    )
    settings = params["train_diffusion"] | {"steps": STEPS, "learning_rate": LEARNING_RATE}
    rows = {name: params["planners"][name] for name in ("no_sampling_noise", "one_call")}
    planners = {name: (teacher, row | {"guidance": task_settings["guidance"]}) for name, row in rows.items()}
    planners |= {f"{name}, no guidance": (teacher, row | {"guidance": 1.0}) for name, row in rows.items()}
    distilled = {}
    for target in (guided_prediction, end_of_guided_chain):

        def loss(model: TrajectoryDiffusion, split: str, target=target) -> Tensor:
            states, returns_to_go, _ = sampler.sample(settings["batch_size"])
            return target(teacher.diffusion, model, states, returns_to_go[:, 0], task_settings["guidance"])

        with tempfile.TemporaryDirectory() as folder:
            student = copy.deepcopy(teacher.diffusion).requires_grad_(True)
            checkpoint = Checkpoint(Path(folder), "")
            title = f"{target.__name__} seed {seed}"
            result = train(student, loss, settings, seed, checkpoint, lambda row: None, False, title)
        distilled[target] = copy.copy(teacher)
        distilled[target].diffusion = result.model.eval().requires_grad_(False)
    for name, row in rows.items():
        planners[f"{name}, guidance distilled"] = (distilled[guided_prediction], row | {"guidance": 1.0})
    row = rows["one_call"] | {"guidance": 1.0}
    return planners | {"one_call, chain distilled": (distilled[end_of_guided_chain], row)}


def noisy(teacher: TrajectoryDiffusion, plan: Tensor, step: Tensor) -> Tensor:
    """Plans [B, H, state] at diffusion steps [B], with all their noise or (as a draft comes) less of it."""
    share = torch.rand(len(plan), 1, 1, device=plan.device)
    result = teacher.add_noise(plan, step, share * torch.randn_like(plan))
    result[:, 0] = plan[:, 0]
    return result


def guided_prediction(
    teacher: TrajectoryDiffusion, student: TrajectoryDiffusion, plan: Tensor, returns: Tensor, weight: float
) -> Tensor:
    """Squared difference to the guided prediction at one of the last steps."""
    step = torch.randint(LAST, (len(plan),), device=plan.device)
    seen, everyone = noisy(teacher, plan, step), torch.ones_like(returns, dtype=torch.bool)
    with torch.no_grad():
        condition = torch.cat(
            [teacher.network.condition(step, returns, each) for each in (everyone, ~everyone)]
        )
        target = classifier_free_guidance(teacher.network, seen, condition, weight)
    predicted = student.network(seen, student.network.condition(step, returns, everyone))
    return (predicted - target)[:, 1:].square().mean()


def end_of_guided_chain(
    teacher: TrajectoryDiffusion, student: TrajectoryDiffusion, plan: Tensor, returns: Tensor, weight: float
) -> Tensor:
    """Squared difference to where the guided deterministic chain ends, in units of the prediction."""
    seen = noisy(teacher, plan, torch.full((len(plan),), LAST - 1, device=plan.device))
    with torch.no_grad():
        chain = teacher.chain(end_of_chain(LAST, LAST), "ddim")
        target = teacher.denoise(seen.clone(), chain, returns, weight, 0.0)
    (step,) = student.chain([LAST - 1], "ddim").steps
    (condition,) = guidance_conditions(student.network, chain.diffusion_steps[:1], returns, 1.0)
    predicted = student.network(seen, condition)
    clean = step.clean_from_plan * seen + step.clean_from_prediction * predicted
    return ((clean - target) / step.clean_from_prediction)[:, 1:].square().mean()


def evaluate(
    params: dict[str, Any],
    task: str,
    dataset: PreparedDataset,
    models: PlanningModels,
    row: dict[str, Any],
    device: torch.device,
    episodes: int,
) -> np.ndarray:
    """Normalised score of each episode [episodes]; none of these rows draws noise."""
    settings, first = params["tasks"][task], params["evaluate"]["first_environment_seed"]
    planner = TrajectoryPlanner.from_row(models, row, 1.0, device, 0)
    agent, seeds = Planner(planner, settings["target_return"], device), list(range(first, first + episodes))
    returns = run_episodes([agent], settings["environment"], seeds, 0, None, "evaluation").returns
    reference = dataset.provenance["reference_scores"]
    return normalised_score(returns, reference["minimum"], reference["maximum"])


def times(
    planners: dict[str, tuple[PlanningModels, dict[str, Any]]],
    dataset: PreparedDataset,
    candidates: int,
    device: torch.device,
) -> dict[str, float]:
    """Median milliseconds per plan."""
    agents = {}
    for name, (models, row) in planners.items():
        planner = TrajectoryPlanner.from_row(models, row | {"candidates": candidates}, 1.0, device, 0)
        agents[name] = SteadyState(Planner(planner, 1.0, device), np.asarray(dataset.observations[:64]), 1)
    return {name: 1e3 * row["p50_seconds"] for name, row in measure(agents, 2, 20, device).items()}


if __name__ == "__main__":
    with ending_with_one_line():
        main()
