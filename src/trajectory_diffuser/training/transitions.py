"""What the two networks that are trained on single transitions have in common."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trajectory_diffuser.datasets.windows import PreparedDataset, TransitionSampler
from trajectory_diffuser.training.job import Objective

# Of the model, states [B, state], next states [B, state], actions [B, action] and scaled returns-to-go [B].
TransitionLoss = Callable[[nn.Module, Tensor, Tensor, Tensor, Tensor], Tensor]


def transition_objective(
    network: Callable[..., nn.Module],
    loss: TransitionLoss,
    settings: dict[str, Any],
    dataset: PreparedDataset,
    device: torch.device,
    return_scale: float = 1.0,
) -> Objective:
    """The objective of a network that reads states and actions.

    Args:
        network: builds it from `state_size`, `action_size`, `width` and `layers`.
        loss: scalar loss of a batch of transitions.
        settings: the stage's section of the parameters.
        dataset: prepared data.
        device: to train on.
        return_scale: returns-to-go are divided by it.
    """
    samplers = {
        split: TransitionSampler(dataset, device, split=split, return_scale=return_scale)
        for split in ("train", "validation")
    }
    config = {"state_size": dataset.observation_size, "action_size": dataset.action_size}
    config |= {key: settings[key] for key in ("width", "layers")}

    def batch_loss(model: nn.Module, split: str) -> Tensor:
        return loss(model, *samplers[split].sample(settings["batch_size"]))

    return Objective(network(**config).to(device), batch_loss, not samplers["validation"].empty, config)
