"""Changes to the code of denoisers, for comparison only; each is a list of patches."""

import itertools
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from diffusion_transformer import DiffusionTransformer
from torch import Tensor, nn

import train_diffusion
from trajectory_diffuser.datasets import windows
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models import building, temporal_unet
from trajectory_diffuser.planning import models as planning_models
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner

DISCOUNT, PENALTY, ASKED = 0.99, -100.0, 0.95  # of Decision Diffuser's labels


class WithStateNoise(TrajectoryDiffusion):
    """Trained with noise on the present state, half as much as the draft's."""

    def add_noise(self, x_0: Tensor, t: Tensor | int, epsilon: Tensor | None) -> Tensor:
        """As without, but in training."""
        x_t = super().add_noise(x_0, t, epsilon)
        if self.training:
            x_t[:, : self.known] += 0.1 * torch.randn_like(x_t[:, : self.known])
        return x_t


class WithLateSteps(TrajectoryDiffusion):
    """Half of each batch is of the last five steps, the only ones that refine a draft."""

    def random_timesteps(self, batch: int, device: torch.device) -> Tensor:
        """As without; those of the batch's first half folded onto 1 to 5."""
        t = super().random_timesteps(batch, device)
        return torch.where(torch.arange(batch, device=device) < batch // 2, 1 + (t - 1) % 5, t)


class OverChannelsAndTime(nn.GroupNorm):
    """Diffuser's normalisation, of [B, H, channels]."""

    def forward(self, x: Tensor) -> Tensor:
        """As it does for [B, channels, H]."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class BlockWithGroupNorm(temporal_unet.ResidualBlock):
    """A block of Diffuser's."""

    def __init__(self, channels_in: int, channels_out: int, condition_size: int) -> None:
        super().__init__(channels_in, channels_out, condition_size)
        self.norm_in, self.norm_out = (OverChannelsAndTime(8, channels_out) for _ in range(2))


def discounted_labels(
    dataset: PreparedDataset, device: torch.device, return_scale: float
) -> tuple[Tensor, Tensor]:
    """Decision Diffuser's returns: discounted, terminal states penalised, and divided by the largest.

    What comes after a truncation is taken to go on at the episode's mean reward.
    """
    observations, _ = unchanged_labels(dataset, device, return_scale)
    offsets, returns = np.asarray(dataset.episode_offsets), np.zeros(len(observations))
    for episode, (first, last) in enumerate(itertools.pairwise(offsets)):
        rewards, terminated = dataset.rewards[first:last].astype(float), dataset.terminations[episode]
        value = 0.0 if terminated else rewards.mean() / (1 - DISCOUNT)
        returns[last + episode] = value
        rewards[-1] = PENALTY if terminated else rewards[-1]
        for step in range(last - first - 1, -1, -1):
            returns[first + episode + step] = value = rewards[step] + DISCOUNT * value
    return observations, torch.from_numpy(np.float32(returns / returns.max())).to(device)


unchanged_labels, unchanged_refine = windows._observations_on, TrajectoryPlanner._refine


def refine_asking(planner: TrajectoryPlanner, start: Tensor | None, history: Tensor, *rest: Any) -> Tensor:
    """`TrajectoryPlanner._refine` that asks for a discounted return, whatever the target return is."""
    asked = torch.cat([history[..., :-1], torch.full_like(history[..., -1:], ASKED)], dim=2)
    return unchanged_refine(planner, start, asked, *rest)


def transformer(states: int) -> type[nn.Module]:
    """A diffusion transformer of as many weights, in the U-Net's place."""

    class Denoiser(DiffusionTransformer):
        def __init__(self, state_size: int, base_width: int, channel_multipliers: list[int]) -> None:
            super().__init__(state_size, states, 4 * base_width, heads=4, depth=3)

    return Denoiser


def unclipped(sign: float) -> property:
    """A bound that no state reaches."""
    return property(lambda normaliser: np.full_like(normaliser.mean, sign * 1e6))


def with_diffusion(kind: type[TrajectoryDiffusion]) -> list[Any]:
    """Patches that put another diffusion in its place."""
    return [
        patch.object(module, "TrajectoryDiffusion", kind) for module in (train_diffusion, planning_models)
    ]


CODE: dict[str, Callable[[int], list[Any]]] = {
    "GroupNorm": lambda states: [patch.object(temporal_unet, "ResidualBlock", BlockWithGroupNorm)],
    "transformer": lambda states: [
        patch.object(train_diffusion, "TemporalUNet", transformer(states)),
        patch.dict(building.NETWORKS, diffusion=transformer(states)),
    ],
    "discounted labels": lambda states: [
        patch.object(windows, "_observations_on", discounted_labels),
        patch.object(TrajectoryPlanner, "_refine", refine_asking),
    ],
    "noise on the present state": lambda states: with_diffusion(WithStateNoise),
    "half of the draws late": lambda states: with_diffusion(WithLateSteps),
    "no clipping": lambda states: [
        patch.object(Normaliser, "normalised_minimum", unclipped(-1)),
        patch.object(Normaliser, "normalised_maximum", unclipped(1)),
    ],
}
