"""Train the inverse dynamics model that turns two states of a plan into an action."""

from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import SPLITS, TransitionSampler
from trajectory_diffuser.models.building import arguments_of
from trajectory_diffuser.models.mlp import InverseDynamics
from trajectory_diffuser.training.run import Objective, training_run


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/inverse_dynamics/."""
    settings = params["train_inverse_dynamics"]
    with training_run(params, "train_inverse_dynamics", task, seed, ["stride"]) as run:
        config = arguments_of(InverseDynamics, settings | run.dataset.sizes)
        model = InverseDynamics(**config).to(run.device)
        run.train(model, objective(params, task, run.dataset, run.device), config)


def objective(params: dict[str, Any], task: str, dataset: PreparedDataset, device: torch.device) -> Objective:
    """Transitions, as far apart as a plan's states, and the action's loss."""
    stride = params["tasks"][task]["stride"]
    transitions = {split: TransitionSampler(dataset, device, split=split, stride=stride) for split in SPLITS}
    return Objective(transitions, inverse_dynamics_loss)


def inverse_dynamics_loss(
    model: InverseDynamics, state: Tensor, next_state: Tensor, action: Tensor, _: Tensor
) -> Tensor:
    """Squared error of the action; states [B, state], actions [B, action]. Returns-to-go are not read."""
    return (model(state, next_state) - action).square().mean()


if __name__ == "__main__":
    run_stage(main, "task", "seed")
