"""Train the causal transformer that drafts plans."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import SPLITS, WindowSampler
from trajectory_diffuser.models.building import arguments_of
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.training.run import Objective, training_run


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/transformer/."""
    settings, context = params["train_transformer"], _context(params["tasks"][task])
    keys = ["horizon", "history", "stride", "return_scale"]
    with training_run(params, "train_transformer", task, seed, keys) as run:
        config = arguments_of(CausalTransformer, settings | run.dataset.sizes | {"context": context})
        model = CausalTransformer(**config).to(run.device)
        run.train(model, objective(params, task, run.dataset, run.device), config)


def objective(params: dict[str, Any], task: str, dataset: PreparedDataset, device: torch.device) -> Objective:
    """Windows of history and horizon, and the loss of what follows each of their states."""
    settings, state_noise = params["tasks"][task], params["train_transformer"]["state_noise"]
    windows = {
        split: WindowSampler(
            dataset,
            _context(settings),
            device,
            split=split,
            return_scale=settings["return_scale"],
            stride=settings["stride"],
            length_keys=("history", "horizon"),
        )
        for split in SPLITS
    }
    return Objective(windows, partial(transformer_loss, state_noise=state_noise))


def _context(task_settings: dict[str, Any]) -> int:
    """How many tokens the transformer reads at most."""
    return task_settings["history"] + task_settings["horizon"]


def transformer_loss(
    model: CausalTransformer, states: Tensor, returns_to_go: Tensor, mask: Tensor, *, state_noise: float
) -> Tensor:
    """Squared error of the next state and the next return-to-go.

    Args:
        model: the draft model.
        states: normalised windows [B, T + 1, state].
        returns_to_go: scaled [B, T + 1].
        mask: [B, T + 1] bool, False past an episode's end.
        state_noise: standard deviation of noise on the input states in training (not on the targets), so that
            the model leads back to the data from the states beside them that its own predictions make.
    """
    inputs = states[:, :-1]
    if model.training:
        inputs = inputs + state_noise * torch.randn_like(inputs)
    predicted = model(torch.cat([inputs, returns_to_go[:, :-1, None]], dim=-1))  # [B, T, state + 1]
    state_error = (predicted[..., :-1] - states[:, 1:]).square().mean(-1)  # [B, T]
    return_error = (predicted[..., -1] - returns_to_go[:, 1:]).square()  # [B, T]
    known = mask[:, 1:]
    return ((state_error + return_error) * known).sum() / known.sum()


if __name__ == "__main__":
    run_stage(main, "task", "seed")
