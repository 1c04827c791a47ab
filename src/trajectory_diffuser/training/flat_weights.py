"""A network's weights as one vector: clipping, optimiser and averaging are then one call each."""

import torch
from torch import nn

ALIGNMENT = 16  # numbers, 64 bytes in float32: where vector instructions and GPUs want weights to begin


def flatten_weights(model: nn.Module, gradients: bool) -> nn.Parameter:
    """Move a network's weights into one vector; from then on they are views of it.

    All of them are then trained, and decayed, also those that a loss does not reach.

    Args:
        model: changed in place; its weights, all of one type on one device, keep names, shapes and values.
        gradients: give the vector a gradient, and make the weights' gradients views of it. Backward passes
            add to them: zero them before each, and do not set them to None.

    Returns:
        The vector, with zeros between the weights.

    Raises:
        ValueError: the weights differ in type or device.
    """
    weights = list(model.parameters())
    kinds = {(weight.dtype, weight.device) for weight in weights}
    if len(kinds) != 1:
        raise ValueError(f"one vector cannot hold weights of {len(kinds)} types and devices: {kinds}")
    sizes = [-(-weight.numel() // ALIGNMENT) * ALIGNMENT for weight in weights]
    vector = nn.Parameter(weights[0].new_zeros(sum(sizes)), requires_grad=gradients)
    for weight, part in zip(weights, vector.detach().split(sizes), strict=True):
        part = part[: weight.numel()].view_as(weight)
        weight.data = part.copy_(weight.detach())
    if gradients:
        vector.grad = torch.zeros_like(vector)
        for weight, part in zip(weights, vector.grad.split(sizes), strict=True):
            weight.grad = part[: weight.numel()].view_as(weight)
    return vector
