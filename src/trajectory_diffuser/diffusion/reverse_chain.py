"""The reverse chain as numbers: what each step does besides calling the network, worked out once."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True)
class ReverseStep:
    """One step of the reverse chain, from x_t and the network's prediction to the next, less noisy x.

    x_0  = clean_from_plan x_t + clean_from_prediction prediction, clipped to the bounds of the data;
    next = next_from_clean x_0 + next_from_plan x_t + next_from_noise noise.
    """

    clean_from_plan: float
    clean_from_prediction: float
    next_from_clean: float
    next_from_plan: float
    next_from_noise: float


@dataclass(frozen=True)
class ReverseChain:
    """Steps to take one after the other.

    Attributes:
        steps: what to do at each of them.
        diffusion_steps: their numbers [S], on the network's device.
        signal: sqrt(alpha_bar) at the first step: how much of the plan is left where the chain is entered.
        noise: sqrt(1 - alpha_bar) there.
    """

    steps: list[ReverseStep]
    diffusion_steps: Tensor
    signal: float
    noise: float


def reverse_chain(alpha_bar: Tensor, steps: list[int], prediction: str, eta: float) -> ReverseChain:
    """The chain through `steps` (falling) to the clean plan (Song et al. 2021, equations 12 and 16).

    Args:
        alpha_bar: signal share of every diffusion step [K].
        steps: diffusion steps at which the network is called; none for no chain at all.
        prediction: `epsilon` or `velocity`, what the network predicts.
        eta: 0 is DDIM; 1, between neighbouring steps, is ancestral DDPM sampling.
    """
    signals = [*alpha_bar.double()[steps].tolist(), 1.0]
    return ReverseChain(
        [_reverse_step(now, then, prediction, eta) for now, then in pairwise(signals)],
        torch.tensor(steps, dtype=torch.long, device=alpha_bar.device),
        signals[0] ** 0.5,
        (1 - signals[0]) ** 0.5,
    )


def _reverse_step(signal: float, next_signal: float, prediction: str, eta: float) -> ReverseStep:
    root, noise = signal**0.5, (1 - signal) ** 0.5
    sigma = eta * ((1 - next_signal) / (1 - signal) * (1 - signal / next_signal)) ** 0.5
    direction = max(1 - next_signal - sigma**2, 0.0) ** 0.5
    # The noise in x_t is taken from the clipped x_0, not from the network: (x_t - root x_0) / noise.
    return ReverseStep(
        clean_from_plan=1 / root if prediction == "epsilon" else root,
        clean_from_prediction=-noise / root if prediction == "epsilon" else -noise,
        next_from_clean=next_signal**0.5 - direction * root / noise,
        next_from_plan=direction / noise,
        next_from_noise=sigma,
    )
