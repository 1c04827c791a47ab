"""Classifier-free guidance on the return-to-go (Ho and Salimans 2022; Decision Diffuser, equation 8)."""

import torch
from torch import Tensor, nn


def classifier_free_guidance(
    network: nn.Module, x_t: Tensor, t: Tensor, return_to_go: Tensor, weight: float
) -> Tensor:
    """Unconditional + weight * (conditional - unconditional), in one network call.

    A weight of 0 or 1 needs one of the two branches only, and costs one.

    Args:
        network: see `TemporalUNet`.
        x_t: noisy normalised plans [B, H, state].
        t: diffusion steps [B].
        return_to_go: scaled returns-to-go asked for [B].
        weight: guidance weight.

    Returns:
        The guided prediction [B, H, state].
    """
    conditional = torch.ones_like(return_to_go, dtype=torch.bool)  # [B]
    if weight in (0, 1):
        return network(x_t, t, return_to_go, conditional if weight == 1 else ~conditional)
    both = network(
        torch.cat([x_t, x_t]),
        torch.cat([t, t]),
        torch.cat([return_to_go, return_to_go]),
        torch.cat([conditional, ~conditional]),
    )  # [2 B, H, state]
    with_return, without_return = both.chunk(2)  # each [B, H, state]
    return without_return + weight * (with_return - without_return)
