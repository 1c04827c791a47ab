"""Classifier-free guidance on the return-to-go (Ho and Salimans 2022; Decision Diffuser, equation 8)."""

from collections.abc import Callable

import torch
from torch import Tensor

Network = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def classifier_free_guidance(
    network: Network, plan: Tensor, step: int, return_to_go: Tensor, weight: float
) -> Tensor:
    """Unconditional + weight * (conditional - unconditional), both branches in one network call.

    A weight of 0 or 1 needs one branch only and costs one.

    Args:
        network: maps (plan [B, H, state], step [B], return_to_go [B], conditional [B] bool) to [B, H, state].
        plan: noisy normalised plans [B, H, state].
        step: diffusion step, the same for all.
        return_to_go: scaled returns-to-go asked for [B].
        weight: guidance weight.

    Returns:
        The guided prediction [B, H, state].
    """
    batch = plan.shape[0]
    if weight in (0, 1):
        steps = torch.full((batch,), step, device=plan.device)
        return network(plan, steps, return_to_go, torch.full((batch,), weight == 1, device=plan.device))
    steps = torch.full((2 * batch,), step, device=plan.device)
    conditional = torch.arange(2 * batch, device=plan.device) < batch
    both = network(torch.cat([plan, plan]), steps, torch.cat([return_to_go, return_to_go]), conditional)
    with_return, without_return = both.chunk(2)  # each [B, H, state]
    return without_return + weight * (with_return - without_return)
