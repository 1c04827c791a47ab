"""Train the value model that chooses among candidate plans."""

from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import SPLITS, TransitionSampler
from trajectory_diffuser.models.building import arguments_of
from trajectory_diffuser.models.mlp import Value
from trajectory_diffuser.training.run import Objective, training_run


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/value/."""
    settings = params["train_value"]
    with training_run(params, "train_value", task, seed, ["return_scale"]) as run:
        config = arguments_of(Value, settings | run.dataset.sizes)
        model = Value(**config).to(run.device)
        run.train(model, objective(params, task, run.dataset, run.device), config)


def objective(params: dict[str, Any], task: str, dataset: PreparedDataset, device: torch.device) -> Objective:
    """Transitions, and the return-to-go's loss."""
    return_scale = params["tasks"][task]["return_scale"]
    transitions = {
        split: TransitionSampler(dataset, device, split=split, return_scale=return_scale) for split in SPLITS
    }
    return Objective(transitions, value_loss)


def value_loss(model: Value, state: Tensor, _: Tensor, action: Tensor, return_to_go: Tensor) -> Tensor:
    """Squared error of the scaled return-to-go [B] of states [B, state] and actions [B, action]."""
    return (model(state, action) - return_to_go).square().mean()


if __name__ == "__main__":
    run_stage(main, "task", "seed")
