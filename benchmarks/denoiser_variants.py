"""Changes to the code of denoisers, for comparison only; each is a list of patches."""

import itertools
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from diffusion_transformer import DiffusionTransformer
from torch import Tensor, nn

import train_diffusion
from trajectory_diffuser.datasets import windows
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.datasets.windows import PreparedDataset, WindowSampler
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models import building, temporal_unet
from trajectory_diffuser.planning import models as planning_models
from trajectory_diffuser.planning.trajectory_planner import LONGEST_CHAIN, TrajectoryPlanner

PAST = 4  # states before the present one
DISCOUNT, PENALTY, ASKED = 0.99, -100.0, 0.95  # of Decision Diffuser's labels


class WithPast(TrajectoryDiffusion):
    """Plans begin with states that have been [B, PAST + H, state], as Decision Diffuser's do."""

    known = PAST + 1


class PastSampler(WindowSampler):
    """Windows with the states before them; what was before the episode is 0."""

    def __init__(self, dataset: PreparedDataset, *rest: Any, split: str, **keywords: Any) -> None:
        super().__init__(dataset, *rest, split=split, **keywords)
        device = self.starts.device
        self.before = torch.arange(-PAST, 0, device=device)
        first, last = dataset.observation_bounds(dataset.episodes(split))
        # Of the episode, for every row.
        self.first = torch.zeros(len(self.observations), dtype=torch.long, device=device)
        for begin, end in zip(first, last, strict=True):
            self.first[begin : end + 1] = begin

    def windows(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States [B, PAST + length, obs]; the others as without a past."""
        states, returns_to_go, mask = super().windows(chosen)
        rows = self.starts[chosen][:, None] + self.before  # [B, PAST]
        been = rows >= self.first[self.starts[chosen]][:, None]
        past = self.observations[rows.clamp(min=0)] * been[..., None]
        return torch.cat([past, states], dim=1), returns_to_go, mask


def refine_with_past(
    planner: TrajectoryPlanner, start: Tensor | None, history: Tensor, noise: Tensor, t: Tensor
) -> Tensor:
    """`TrajectoryPlanner._refine` for one candidate and a denoiser that sees the past."""
    steps, noise = len(t) - 1, F.pad(noise, (0, 0, PAST, 0))  # [B, S + 1, PAST + H, state]
    present = history[:, -1:, :-1] if start is None else start
    x_t = torch.cat([history[:, -1 - PAST : -1, :-1], present], dim=1)
    if start is None:
        x_t = torch.cat([x_t, noise[:, 0, PAST + 1 :]], dim=1)
    else:
        x_t = planner.models.diffusion.add_noise(x_t, t[0], None)
    for first in range(0, steps, LONGEST_CHAIN):
        last = min(first + LONGEST_CHAIN, steps)
        x_t = planner.denoise(x_t, t[first : last + 1], history[:, -1, -1], noise[:, first + 1 : last + 1])
    return x_t[:, PAST:]


class WithStateNoise(TrajectoryDiffusion):
    """Trained with noise on the present state, half as much as the draft's."""

    def add_noise(self, x_0: Tensor, t: Tensor | int, epsilon: Tensor | None) -> Tensor:
        """As without, but in training."""
        x_t = super().add_noise(x_0, t, epsilon)
        if self.training:
            x_t[:, : self.known] += 0.1 * torch.randn_like(x_t[:, : self.known])
        return x_t


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


def transformer(horizon: int) -> type[nn.Module]:
    """A diffusion transformer of as many weights, in the U-Net's place."""

    class Denoiser(DiffusionTransformer):
        def __init__(self, state_size: int, base_width: int, channel_multipliers: list[int]) -> None:
            super().__init__(state_size, horizon, 4 * base_width, heads=4, depth=3)

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
    "GroupNorm": lambda horizon: [patch.object(temporal_unet, "ResidualBlock", BlockWithGroupNorm)],
    "transformer": lambda horizon: [
        patch.object(train_diffusion, "TemporalUNet", transformer(horizon)),
        patch.dict(building.NETWORKS, diffusion=transformer(horizon)),
    ],
    "past states": lambda horizon: [
        *with_diffusion(WithPast),
        patch.object(train_diffusion, "WindowSampler", PastSampler),
        patch.object(TrajectoryPlanner, "_refine", refine_with_past),
    ],
    "discounted labels": lambda horizon: [
        patch.object(windows, "_observations_on", discounted_labels),
        patch.object(TrajectoryPlanner, "_refine", refine_asking),
    ],
    "noise on the present state": lambda horizon: with_diffusion(WithStateNoise),
    "no clipping": lambda horizon: [
        patch.object(Normaliser, "normalised_minimum", unclipped(-1)),
        patch.object(Normaliser, "normalised_maximum", unclipped(1)),
    ],
}
