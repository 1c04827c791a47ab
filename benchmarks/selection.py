"""What should choose among candidate plans? `python benchmarks/selection.py --task TASK`

To be run where a run has trained the task. ROWS plan once, and --candidates times for each decision. Then
choose
  highest      the value model, by the present state and a plan's first action
  softmax      a draw by the softmax of these values, as the authors do
  whole plan   a critic that reads all states of a plan, as Diffusion Veteran's (arXiv 2503.00535), trained
               here as the value model is: to predict the return-to-go of the data's windows
in environments that neither tuning nor evaluation has. A row has the mean score, its standard error, and the
median time of a decision at batch 1, which nothing else on the machine should disturb.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from networks import FIRST_ENVIRONMENT_SEED, scores_of
from torch import Tensor, nn

import train_diffusion
from trajectory_diffuser.common.completion import for_task
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.stage import ending_with_one_line
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import computing_device, device_name
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation import cell
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.models.mlp import mlp
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner
from trajectory_diffuser.reporting.markdown import markdown_table
from trajectory_diffuser.training.run import Objective

ROWS: dict[str, dict[str, Any]] = {
    "refined draft": {"guidance": 1.0},
    "five calls from noise": {"start": "noise", "sampler": "ddim", "guidance": 1.0},
    "five calls from noise, unguided": {"start": "noise", "sampler": "ddim", "guidance": 0.0},
}


class PlanCritic(nn.Module):
    """The scaled return-to-go of following a plan."""

    def __init__(self, state_size: int, horizon: int, width: int, layers: int) -> None:
        super().__init__()
        self.network = mlp(horizon * state_size, width, layers, 1)

    def forward(self, plans: Tensor) -> Tensor:
        """Map normalised plans [B, H, state] to scaled returns-to-go at their first states [B]."""
        return self.network(plans.flatten(1)).squeeze(1)


class ChoosesByPlan(TrajectoryPlanner):
    """Whose value model is a critic of plans."""

    def _act(self, plans: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        values = self.value(plans).view(-1, self.settings.candidates)  # [B, C]
        first = values.shape[1] * torch.arange(values.shape[0], device=plans.device)  # [B]
        best = plans[first + values.argmax(dim=1)]
        return best, self.inverse_dynamics(best[:, 0], best[:, 1])


def main() -> None:
    """Print a row per way to plan and to choose."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", required=True)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--episodes", type=int, default=20)
    arguments = parser.parse_args()
    params, task, lines = for_task(load_params(), arguments.task), arguments.task, []
    dataset = PreparedDataset.load(f"data/processed/{task}")
    observations = np.array(dataset.observations[:64])
    seeds = [FIRST_ENVIRONMENT_SEED + episode for episode in range(arguments.episodes)]
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        runtime = Runtime.from_params(params, device)
        for seed in arguments.seeds:
            models = PlanningModels.load(cell.run_directory(task, seed), device)
            critic = trained_critic(params, task, seed, dataset, device)
            many = {"candidates": arguments.candidates}
            ways = {
                "one candidate": ({}, models, TrajectoryPlanner),
                "highest": (many, models, TrajectoryPlanner),
                "softmax": (many | {"selection": "softmax"}, models, TrajectoryPlanner),
                "whole plan": (many, replace(models, value=critic), ChoosesByPlan),
            }
            for name, row in ROWS.items():
                for way, (choosing, networks, kind) in ways.items():
                    settled = params["base_planner"] | row | choosing
                    settled |= {"temperature": arguments.temperature, "target_return": 1.0}
                    with patch.object(cell, "TrajectoryPlanner", kind):
                        acting, timed = (
                            cell.planner_of([settled], networks, runtime, derive_seed(task, seed))
                            for _ in range(2)
                        )
                    scores = scores_of(params, task, acting, seeds, f"{name}, {way}")
                    error = scores.std(ddof=1) / len(scores) ** 0.5
                    measured = measure({way: SteadyState(timed, observations, 1)}, 3, 20, device)
                    time = f"{1e3 * measured[way]['p50_seconds']:.3g} ms"
                    lines.append([name, way, str(seed), f"{scores.mean():.1f}", f"{error:.1f}", time])
                    print(" | ".join(lines[-1]), flush=True)
    print(f"\n{task}, {arguments.candidates} candidates, temperature {arguments.temperature:g}, ", end="")
    print(f"{arguments.episodes} episodes; {device_name(device)}, commit {code_commit()}\n")
    print(markdown_table(["plans", "chosen by", "seed", "score", "standard error", "time"], lines))


def trained_critic(
    params: dict[str, Any], task: str, seed: int, dataset: PreparedDataset, device: torch.device
) -> nn.Module:
    """The critic of whole plans, trained on the windows that a denoiser without past states has."""
    settings, horizon = params["train_value"], params["tasks"][task]["horizon"]
    without_past = params | {"train_diffusion": params["train_diffusion"] | {"past_states": 0}}
    windows = train_diffusion.objective(without_past, task, dataset, device).samplers
    training_seed = derive_seed("critic", task, seed)
    torch.manual_seed(training_seed)
    critic = PlanCritic(dataset.observation_size, horizon, settings["width"], settings["layers"]).to(device)
    objective = Objective(windows, critic_loss)
    result = objective.train(critic, settings, training_seed, f"a critic of plans, seed {seed}", device)
    return result.model.eval().requires_grad_(False)


def critic_loss(model: PlanCritic, states: Tensor, returns_to_go: Tensor, _: Tensor) -> Tensor:
    """Squared error of the first of the scaled returns-to-go [B, H] of windows [B, H, state]."""
    return (model(states) - returns_to_go[:, 0]).square().mean()


if __name__ == "__main__":
    with ending_with_one_line():
        main()
