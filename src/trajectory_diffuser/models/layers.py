"""Layers that are called directly: what torch does around a layer takes a fifth of a small network's time.

`__call__ = forward` in a class goes past torch's look for hooks, and in a subclass again that has a forward
of its own; parameters are taken from the dictionary in which `nn.Module` finds them last. The networks
themselves and `Condition` keep torch's call: they are compiled, watched by hooks, given another `forward`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """`nn.Linear`, past torch's detours."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        parameters = self._parameters
        return F.linear(x, parameters["weight"], parameters["bias"])

    __call__ = forward


class LayerNorm(nn.LayerNorm):
    """`nn.LayerNorm`, past torch's detours."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., channels] -> [..., channels], normalised over the channels."""
        parameters = self._parameters
        return torch.layer_norm(x, self.normalized_shape, parameters["weight"], parameters["bias"], self.eps)

    __call__ = forward
