"""What the two networks that are trained on plans have in common."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trajectory_diffuser.datasets.windows import PreparedDataset, WindowSampler
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.training.job import Objective

# Of the model, plans [B, H, state] and their scaled returns-to-go [B].
PlanLoss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def plan_objective(
    diffusion: TrajectoryDiffusion,
    loss: PlanLoss,
    settings: dict[str, Any],
    task_settings: dict[str, Any],
    dataset: PreparedDataset,
    device: torch.device,
    config: dict[str, Any],
    origin: str = "",
) -> Objective:
    """The objective of a denoiser.

    Args:
        diffusion: in training, on the device.
        loss: scalar loss of a batch of plans.
        settings: the stage's section of the parameters.
        task_settings: the task's.
        dataset: prepared data.
        device: to train on.
        config: see `Objective`.
        origin: see `Objective`.
    """
    samplers = {
        split: WindowSampler(
            dataset,
            task_settings["horizon"],
            device,
            split=split,
            return_scale=task_settings["return_scale"],
            absorbing=True,
        )
        for split in ("train", "validation")
    }

    def batch_loss(model: nn.Module, split: str) -> Tensor:
        states, returns_to_go, _ = samplers[split].sample(settings["batch_size"])
        return loss(model, states, returns_to_go[:, 0])

    return Objective(
        diffusion,
        batch_loss,
        not samplers["validation"].empty,
        config,
        lambda trained: trained.network,
        origin,
    )
