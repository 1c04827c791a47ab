"""Train the inverse dynamics model that turns two states of a plan into an action."""

from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.models.mlp import InverseDynamics
from trajectory_diffuser.training.job import Objective, run_training
from trajectory_diffuser.training.objectives import inverse_dynamics_loss
from trajectory_diffuser.training.transitions import transition_objective


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/inverse_dynamics/."""

    def loss(model: InverseDynamics, state: Tensor, next_state: Tensor, action: Tensor, _: Tensor) -> Tensor:
        return inverse_dynamics_loss(model, state, next_state, action)

    def build(dataset: PreparedDataset, device: torch.device) -> Objective:
        return transition_objective(InverseDynamics, loss, params["train_inverse_dynamics"], dataset, device)

    run_training(params, "train_inverse_dynamics", task, seed, [], build)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
