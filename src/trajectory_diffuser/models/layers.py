"""Layers that are called directly: what torch does around a layer takes a fifth of a small network's time.

`__call__ = forward` in a class goes past torch's look for hooks, and in a subclass again that has a forward
of its own; weights are taken from the dictionary in which `nn.Module` finds them last. The networks
themselves and `Condition` keep torch's call: they are compiled, watched by hooks, given another `forward`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """`nn.Linear`, past torch's detours."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        weights = self._parameters
        return F.linear(x, weights["weight"], weights["bias"])

    __call__ = forward


class LayerNorm(nn.LayerNorm):
    """`nn.LayerNorm`, past torch's detours."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., channels] -> [..., channels], normalised over the channels."""
        weights = self._parameters
        return torch.layer_norm(x, self.normalized_shape, weights["weight"], weights["bias"], self.eps)

    __call__ = forward
