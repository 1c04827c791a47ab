"""Plans in one call from noise, by a denoiser trained for it: `python benchmarks/one_call.py --seeds 0 1 2`.

To be run where `make results` has trained the task. A copy of the denoiser is trained on, for --steps, with
pure noise alone, at random temperatures up to 1:
  mean       to predict the data's plans: what it learns is their mean, given past states and return
  distilled  to predict what --calls DDIM steps of the denoiser make of the same noise (Luhman and Luhman
             2021, arXiv 2101.02388)
Both plan in one call then, and the denoiser itself in CALLS DDIM steps, where and at what points
`benchmarks/networks.py` says: a row has the mean score of all points, of the best one, and the median time of
a plan.
"""

import argparse
import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from networks import scores_at_points
from torch import Tensor

import train_diffusion
from trajectory_diffuser.common.completion import for_task
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.stage import ending_with_one_line
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import computing_device, device_name
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.diffusion.schedule import timesteps
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.evaluation.cell import planner_of, run_directory
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.planning.choice import middle, settled
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.reporting.markdown import markdown_table
from trajectory_diffuser.training.run import Objective

CALLS = (1, 2, 3, 5, 20)


def main() -> None:
    """Print a row per seed and way to plan from noise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="hopper-medium-expert")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--calls", type=int, default=2, help="of the denoiser, for a plan to distil")
    parser.add_argument("--episodes", type=int, default=5, help="at each point of the grid")
    arguments = parser.parse_args()
    params, task = for_task(load_params(), arguments.task), arguments.task
    lines = []
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        runtime = Runtime.from_params(params, device)
        for seed in arguments.seeds:
            models = PlanningModels.load(run_directory(task, seed), device)
            ways = {f"{calls} DDIM": (models, calls) for calls in CALLS}
            for way, calls in (("mean", 0), ("distilled", arguments.calls)):
                diffusion = trained_on(params, task, seed, models.diffusion, calls, arguments.steps)
                ways[f"one call, {way}"] = (replace(models, diffusion=diffusion), 1)
            times = milliseconds(params, task, ways, runtime)
            for name, (networks, calls) in ways.items():
                cell = (params, task, seed, row(params, calls), networks, runtime)
                scores = scores_at_points(*cell, arguments.episodes)
                means = [f"{scores.mean():.1f}", f"{scores.mean(axis=1).max():.1f}"]
                lines.append([name, str(seed), *means, f"{times[name]:.2f}"])
                print(" | ".join(lines[-1]), flush=True)
    print(f"\n{device_name(device)}, commit {code_commit()}, {arguments.steps} steps\n")
    print(markdown_table(["plans", "seed", "score", "best point", "ms"], lines))


def row(params: dict[str, Any], calls: int) -> dict[str, Any]:
    """A planner of so many DDIM steps from noise."""
    return params["base_planner"] | {"start": "noise", "sampler": "ddim", "refine_steps": calls}


def trained_on(
    params: dict[str, Any], task: str, seed: int, denoiser: TrajectoryDiffusion, calls: int, steps: int
) -> TrajectoryDiffusion:
    """A copy of the denoiser, trained on to make plans in one call; `calls`: see `one_call_loss`."""
    settings = params["train_diffusion"] | {"steps": steps, "keep_at": []}
    data, device = PreparedDataset.load(f"data/processed/{task}"), denoiser.alpha_bar.device
    windows = train_diffusion.objective(params, task, data, device).samplers

    def loss(model: TrajectoryDiffusion, states: Tensor, returns_to_go: Tensor, _: Tensor) -> Tensor:
        return one_call_loss(model, denoiser, states, returns_to_go[:, 0], calls)

    objective = Objective(windows, loss)
    model = copy.deepcopy(denoiser).requires_grad_(True)
    training_seed = derive_seed("one_call", task, seed, calls)
    result = objective.train(model, settings, training_seed, f"one call, seed {seed}", device)
    return result.model.eval().requires_grad_(False)


def one_call_loss(
    model: TrajectoryDiffusion, denoiser: TrajectoryDiffusion, x_0: Tensor, return_to_go: Tensor, calls: int
) -> Tensor:
    """Squared error of the plan that the model makes of noise in one call.

    Args:
        model: in training.
        denoiser: as it was.
        x_0: plans of the data [B, P + H, state], which are to be predicted if `calls` is 0.
        return_to_go: scaled [B].
        calls: DDIM steps of the denoiser in which the plan to be predicted is made of the same noise.
    """
    known, last = model.known, torch.tensor(model.diffusion_steps, device=x_0.device)
    noise = torch.rand(len(x_0), 1, 1, device=x_0.device) * torch.randn_like(x_0)
    x_t = torch.cat([x_0[:, :known], noise[:, known:]], dim=1)
    if calls:
        chain = torch.tensor([*timesteps(model.diffusion_steps, calls), 0], device=x_0.device)
        with torch.no_grad():
            still = torch.zeros_like(x_0)[:, None].expand(-1, calls, -1, -1)
            x_0 = denoiser.denoise(x_t, chain, return_to_go, still, guidance=1, eta=0.0)
    predicted = model.predict_x_0(x_t, last, return_to_go, guidance=1)
    return (predicted - x_0)[:, known:].square().mean()


def milliseconds(
    params: dict[str, Any], task: str, ways: dict[str, tuple[PlanningModels, int]], runtime: Runtime
) -> dict[str, float]:
    """The median time of a plan, one environment at a time, interleaved."""
    observations = np.asarray(PreparedDataset.load(f"data/processed/{task}").observations[:64])
    values = middle(params["tune"]["grid"]) | {"guidance": 1.0}
    agents = {
        name: SteadyState(
            planner_of([settled(row(params, calls), values)], networks, runtime, 0), observations, 1
        )
        for name, (networks, calls) in ways.items()
    }
    settings = params["measure_latency"]
    measured = measure(agents, settings["warmup"], settings["repetitions"], runtime.device)
    return {name: 1e3 * each["p50_seconds"] for name, each in measured.items()}


if __name__ == "__main__":
    with ending_with_one_line():
        main()
