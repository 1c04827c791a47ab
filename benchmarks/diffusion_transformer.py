"""A diffusion transformer over plans (Peebles and Xie 2023, arXiv 2212.09748), for comparison only.

One token per state, adaptive layer normalisation (adaLN-Zero) from step and return-to-go: the denoiser with
which a public library implements Decision Diffuser.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding


class Block(nn.Module):
    """Attention and feed-forward network, each shifted, scaled and gated by the condition."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width, elementwise_affine=False)
        self.heads = heads
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width, elementwise_affine=False)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width)
        )
        self.modulation = nn.Linear(width, 6 * width)

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
    """The interface of `TemporalUNet`.

    Args:
        state_size: numbers in a state.
        horizon: states in a plan.
        width: of the embedded states; even, and divisible by `heads`.
        heads: attention heads.
        depth: blocks.
    """

    def __init__(self, state_size: int, horizon: int, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.width = width
        self.step_embedding = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.return_embedding = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width))
        self.embedding = nn.Linear(state_size, width)
        positions = sinusoidal_embedding(torch.arange(horizon), width)  # [H, width]
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, state_size)

    def forward(self, x_t: Tensor, t: Tensor, return_to_go: Tensor, conditional: Tensor) -> Tensor:
        """Predict the noise [B, H, state] in plans [B, H, state]; t, return_to_go and conditional are [B]."""
        step = self.step_embedding(sinusoidal_embedding(t, self.width))  # [B, width]
        asked = self.return_embedding(return_to_go[:, None]) * conditional[:, None]  # [B, width]
        x = self.embedding(x_t) + self.positions  # [B, H, width]
        for block in self.blocks:
            x = block(x, step + asked)
        return self.output(self.norm(x))
