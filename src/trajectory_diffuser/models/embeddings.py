"""Sinusoidal embeddings of whole numbers: diffusion steps and positions."""

import math

import torch
from torch import Tensor


def sinusoidal_embedding(values: Tensor, width: int) -> Tensor:
    """Sines and cosines of `values` at `width // 2` frequencies (Vaswani et al. 2017, section 3.5).

    Args:
        values: any shape [...], whole numbers of any dtype.
        width: even size of the embedding.

    Returns:
        [..., width] float32.
    """
    half = width // 2
    frequencies = torch.exp(-math.log(10_000) / max(half - 1, 1) * torch.arange(half, device=values.device))
    angles = values[..., None].float() * frequencies  # [..., width / 2]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
