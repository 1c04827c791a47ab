"""The noise schedule: how much of the plan is left after each step of the forward process."""

import math

import torch
from torch import Tensor

MAXIMUM_BETA = 0.999  # keeps the last step of the cosine schedule from dividing by zero


def alpha_bar(schedule: str, diffusion_steps: int) -> Tensor:
    """The cumulative signal share of a schedule.

    The forward process is q(x_t | x_0) = N(sqrt(alpha_bar[t]) x_0, (1 - alpha_bar[t]) I), with t from 0 (the
    clean plan) to K (nothing but noise, but for `authors`).

    Args:
        schedule: `cosine` (Nichol and Dhariwal 2021, equation 17) or `linear` (Ho et al. 2020, section 4,
            whose betas for 1000 steps are scaled up by 1000 / K, so that fewer steps end in noise as well)
            or `authors` (betas from 0.001 to 0.02 whatever K is, as the paper's code has them: after 100
            steps a third of the signal is left, although plans from noise begin with none).
        diffusion_steps: K.

    Returns:
        [K + 1] float64, falling from 1, and to nearly 0 but for `authors`.

    Raises:
        ValueError: unknown schedule.
    """
    if schedule == "cosine":
        times = torch.arange(diffusion_steps + 1, dtype=torch.float64) / diffusion_steps
        signal = torch.cos((times + 0.008) / 1.008 * math.pi / 2).square()  # [K + 1]
        beta = 1 - signal[1:] / signal[:-1]
    elif schedule == "linear":
        scale = 1000 / diffusion_steps
        # From the last step back, because a chain of one step must end in noise too.
        beta = torch.linspace(scale * 0.02, scale * 1e-4, diffusion_steps, dtype=torch.float64).flip(0)
    elif schedule == "authors":
        beta = torch.linspace(1e-3, 0.02, diffusion_steps, dtype=torch.float64)
    else:
        raise ValueError(f"unknown schedule {schedule!r}; one of cosine, linear, authors")
    alpha = 1 - beta.clamp(max=MAXIMUM_BETA)  # [K]
    return torch.cat([alpha.new_ones(1), alpha.cumprod(0)])


def timesteps(length: int, network_calls: int) -> list[int]:
    """`network_calls` values of t, falling and evenly spread over the last `length` steps of the chain.

    All K steps are the whole chain; fewer are the truncated diffusion. The spacing is "trailing" (Lin et al.
    2023, arXiv 2305.08891, section 3.3): it starts at the noisiest of the steps, and takes a full-sized step
    at the end too.
    """
    stride = length / max(network_calls, 1)
    return [round(length - index * stride) for index in range(network_calls)]
