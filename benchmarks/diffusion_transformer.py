"""A diffusion transformer over plans (Peebles and Xie 2023, arXiv 2212.09748), for comparison only.

One token per state, adaptive layer normalisation (adaLN-Zero) from step and return-to-go: the denoiser with
which a public library implements Decision Diffuser.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding
from trajectory_diffuser.models.layers import LayerNorm, Linear
from trajectory_diffuser.models.temporal_unet import Condition


class Block(nn.Module):
    """Attention and feed-forward network, each shifted, scaled and gated by the condition."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = LayerNorm(width, elementwise_affine=False)
        self.heads = heads
        self.query_key_value = Linear(width, 3 * width)
        self.projection = Linear(width, width)
        self.norm_feed_forward = LayerNorm(width, elementwise_affine=False)
        self.feed_forward = nn.Sequential(
            Linear(width, 4 * width), nn.GELU(approximate="tanh"), Linear(4 * width, width)
        )
        self.modulation = Linear(width, 6 * width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x [B, H, width] and the condition [B, width] to [B, H, width]."""
        parts = self.modulation(F.silu(condition))[:, None].chunk(6, dim=-1)  # six of [B, 1, width]
        shift, scale, gate, shift_forward, scale_forward, gate_forward = parts
        normal = self.norm_attention(x) * (1 + scale) + shift
        x = x + gate * self.projection(self.attended(normal))
        normal = self.norm_feed_forward(x) * (1 + scale_forward) + shift_forward
        return x + gate_forward * self.feed_forward(normal)

    def attended(self, x: Tensor) -> Tensor:
        """What each state [B, H, width] gathers from all states [B, H, width]."""
        batch, horizon, width = x.shape
        split = self.query_key_value(x).view(batch, horizon, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = split.unbind()  # each [B, heads, H, width / heads]
        attended = F.scaled_dot_product_attention(query, key, value)
        return attended.transpose(1, 2).reshape(batch, horizon, width)


class DiffusionTransformer(nn.Module):
    """The interface of `TemporalUNet`."""

    def __init__(self, state_size: int, horizon: int, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.condition = Condition(width // 2, width)
        self.embedding = Linear(state_size, width)
        positions = sinusoidal_embedding(torch.arange(horizon), width)
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = LayerNorm(width)
        self.output = Linear(width, state_size)

    def forward(self, plan: Tensor, condition: Tensor) -> Tensor:
        """Map noisy plans [B, H, state] and their conditions [B, width] to predictions [B, H, state]."""
        x = self.embedding(plan) + self.positions  # [B, H, width]
        for block in self.blocks:
            x = block(x, condition)
        return self.output(self.norm(x))
