"""Train the value model that chooses among candidate plans."""

from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.models.mlp import Value
from trajectory_diffuser.training.job import Objective, run_training
from trajectory_diffuser.training.objectives import value_loss
from trajectory_diffuser.training.transitions import transition_objective


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/value/."""
    return_scale = params["tasks"][task]["return_scale"]

    def loss(model: Value, state: Tensor, _: Tensor, action: Tensor, return_to_go: Tensor) -> Tensor:
        return value_loss(model, state, action, return_to_go)

    def build(dataset: PreparedDataset, device: torch.device) -> Objective:
        return transition_objective(Value, loss, params["train_value"], dataset, device, return_scale)

    run_training(params, "train_value", task, seed, ["return_scale"], build)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
