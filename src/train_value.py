"""Train the value model that chooses among candidate plans."""

from typing import Any

from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.windows import SPLITS, TransitionSampler
from trajectory_diffuser.models.building import arguments_of
from trajectory_diffuser.models.mlp import Value
from trajectory_diffuser.training.run import training_run


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/value/."""
    settings, return_scale = params["train_value"], params["tasks"][task]["return_scale"]
    with training_run(params, "train_value", task, seed, ["return_scale"]) as run:
        transitions = {
            split: TransitionSampler(run.dataset, run.device, split=split, return_scale=return_scale)
            for split in SPLITS
        }
        config = arguments_of(Value, settings | run.dataset.sizes)
        model = Value(**config).to(run.device)
        run.train(model, transitions, value_loss, config)


def value_loss(model: Value, state: Tensor, _: Tensor, action: Tensor, return_to_go: Tensor) -> Tensor:
    """Squared error of the scaled return-to-go [B] of states [B, state] and actions [B, action]."""
    return (model(state, action) - return_to_go).square().mean()


if __name__ == "__main__":
    run_stage(main, "task", "seed")
