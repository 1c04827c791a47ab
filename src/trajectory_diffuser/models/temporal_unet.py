"""The denoiser: a temporal U-Net over plans of states, told diffusion step and return-to-go.

The architecture is Diffuser's (arXiv 2205.09991, appendix C), normalised over channels (LayerNorm), not over
groups of channels and time (GroupNorm).
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding


class OverTime(nn.Module):
    """A convolution along time of a sequence that has its channels last: [B, H, in] -> [B, H', out]."""

    def __init__(self, convolution: nn.Conv1d | nn.ConvTranspose1d) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        """As `convolution` does, which has the channels before the time."""
        # Contiguous, because what follows is slow, forth and back, where time and channels lie crosswise.
        return self.convolution(x.transpose(1, 2).contiguous()).transpose(1, 2).contiguous()


class ResidualBlock(nn.Module):
    """Two temporal convolutions with the condition added between them, and a skip connection."""

    def __init__(self, channels_in: int, channels_out: int, condition_size: int) -> None:
        super().__init__()
        self.convolution_in = OverTime(nn.Conv1d(channels_in, channels_out, kernel_size=5, padding=2))
        self.norm_in = nn.LayerNorm(channels_out)
        self.condition = nn.Linear(condition_size, channels_out)
        self.convolution_out = OverTime(nn.Conv1d(channels_out, channels_out, kernel_size=5, padding=2))
        self.norm_out = nn.LayerNorm(channels_out)
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Linear(channels_in, channels_out)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x [B, H, in] and the condition [B, condition] to [B, H, out]."""
        hidden = F.silu(self.norm_in(self.convolution_in(x)))  # [B, H, out]
        hidden = hidden + self.condition(condition)[:, None]
        return F.silu(self.norm_out(self.convolution_out(hidden))) + self.skip(x)


def embedding(inputs: int, width: int) -> nn.Sequential:
    """A small network [B, inputs] -> [B, width] for one of the things that the denoiser is told."""
    return nn.Sequential(nn.Linear(inputs, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))


class TemporalUNet(nn.Module):
    """Predicts the noise (or velocity) in noisy plans.

    Args:
        state_size: numbers in a state.
        base_width: channels of the first level.
        channel_multipliers: channels per level as multiples of `base_width`; the horizon must be divisible by
            two to the power of (levels - 1).
    """

    def __init__(self, state_size: int, base_width: int, channel_multipliers: list[int]) -> None:
        super().__init__()
        self.base_width = base_width
        widths = [base_width * multiplier for multiplier in channel_multipliers]
        told = 2 * base_width
        self.step_embedding = embedding(base_width, base_width)
        self.return_embedding = embedding(1, base_width)
        self.down = nn.ModuleList(
            nn.ModuleList([ResidualBlock(a, b, told), ResidualBlock(b, b, told)])
            for a, b in pairwise([state_size, *widths])
        )
        self.downsample = nn.ModuleList(
            OverTime(nn.Conv1d(a, a, kernel_size=2, stride=2)) for a in widths[:-1]
        )
        self.middle = nn.ModuleList(ResidualBlock(widths[-1], widths[-1], told) for _ in range(2))
        self.upsample = nn.ModuleList(
            OverTime(nn.ConvTranspose1d(b, a, kernel_size=2, stride=2)) for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(
            nn.ModuleList([ResidualBlock(2 * a, a, told), ResidualBlock(a, a, told)]) for a in widths[:-1]
        )
        self.output = nn.Linear(widths[0], state_size)

    def forward(self, x_t: Tensor, t: Tensor, return_to_go: Tensor, conditional: Tensor) -> Tensor:
        """Predict what was added to the plans.

        Args:
            x_t: noisy normalised plans [B, H, state].
            t: diffusion steps [B], whole numbers from 1 (least noise).
            return_to_go: scaled returns-to-go [B].
            conditional: [B] bool; False hides the return-to-go (the unconditional branch).

        Returns:
            [B, H, state].
        """
        step = self.step_embedding(sinusoidal_embedding(t, self.base_width))  # [B, width]
        asked = self.return_embedding(return_to_go[:, None]) * conditional[:, None]  # [B, width]
        condition = F.silu(torch.cat([step, asked], dim=1))  # [B, 2 width]
        x, skips = x_t, []
        for level, blocks in enumerate(self.down):
            for block in blocks:
                x = block(x, condition)  # [B, H / 2^level, width of level]
            if level < len(self.downsample):
                skips.append(x)
                x = self.downsample[level](x)  # [B, H / 2^(level + 1), width of level]
        for block in self.middle:
            x = block(x, condition)
        for level in reversed(range(len(self.up))):
            x = torch.cat([self.upsample[level](x), skips[level]], dim=2)  # [B, H / 2^level, 2 width]
            for block in self.up[level]:
                x = block(x, condition)
        return self.output(x)
