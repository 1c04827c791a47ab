"""Classifier-free guidance on the return-to-go (Ho and Salimans 2022; Decision Diffuser, equation 8).

A weight of 0 or 1 needs one of the two branches only, and costs one; otherwise both go through the network in
one call, the conditional plans first.
"""

import torch
from torch import Tensor, nn


def guidance_conditions(network: nn.Module, steps: Tensor, return_to_go: Tensor, weight: float) -> Tensor:
    """What the network is told at each of a chain's steps, for the branches that the weight needs.

    Args:
        network: has `condition(step, return_to_go, conditional)`, see `TemporalUNet`.
        steps: diffusion steps [S].
        return_to_go: scaled returns-to-go asked for [B].
        weight: guidance weight.

    Returns:
        [S, B or 2 B, condition].
    """
    if weight in (0, 1):
        conditional = torch.full_like(return_to_go, weight == 1, dtype=torch.bool)  # [B]
    else:
        everyone = torch.ones_like(return_to_go, dtype=torch.bool)
        conditional = torch.cat([everyone, ~everyone])  # [2 B]
        return_to_go = torch.cat([return_to_go, return_to_go])
    shape = (len(steps), len(return_to_go))
    return network.condition(
        steps[:, None].expand(shape), return_to_go.expand(shape), conditional.expand(shape)
    )


def classifier_free_guidance(network: nn.Module, plan: Tensor, condition: Tensor, weight: float) -> Tensor:
    """Unconditional + weight * (conditional - unconditional), in one network call.

    Args:
        network: maps plans [N, H, state] and their conditions [N, condition] to [N, H, state].
        plan: noisy normalised plans [B, H, state].
        condition: of one step, from `guidance_conditions` with the same weight [B or 2 B, condition].
        weight: guidance weight.

    Returns:
        The guided prediction [B, H, state].
    """
    if weight in (0, 1):
        return network(plan, condition)
    both = network(torch.cat([plan, plan]), condition).float()  # [2 B, H, state]
    with_return, without_return = both.chunk(2)  # each [B, H, state]
    return torch.lerp(without_return, with_return, weight)
