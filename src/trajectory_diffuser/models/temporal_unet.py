"""The denoiser: a temporal U-Net over plans of states, conditioned on diffusion step and return-to-go.

The architecture is Diffuser's (arXiv 2205.09991, appendix C), laid out with channels last, so that every
convolution along time is one matrix product, and normalised over channels (LayerNorm), not over groups of
channels and time (GroupNorm): over so short a sequence both are meant to be light on a CPU.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding

KERNEL = 5


class TemporalConvolution(nn.Module):
    """A convolution along time with kernel 5 and zero padding, as one matrix product."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(KERNEL * channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, in] -> [B, H, out]."""
        padded = F.pad(x, (0, 0, KERNEL // 2, KERNEL // 2))  # [B, H + 4, in]
        horizon = x.shape[1]
        shifted = [padded[:, offset : offset + horizon] for offset in range(KERNEL)]
        return self.linear(torch.cat(shifted, dim=-1))  # [B, H, 5 in] -> [B, H, out]


class ResidualBlock(nn.Module):
    """Two temporal convolutions with the condition added between them, and a skip connection."""

    def __init__(self, channels_in: int, channels_out: int, condition_size: int) -> None:
        super().__init__()
        self.convolution_in = TemporalConvolution(channels_in, channels_out)
        self.convolution_out = TemporalConvolution(channels_out, channels_out)
        self.norm_in = nn.LayerNorm(channels_out)
        self.norm_out = nn.LayerNorm(channels_out)
        self.condition = nn.Linear(condition_size, channels_out)
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Linear(channels_in, channels_out)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x [B, H, in] and the condition [B, condition] to [B, H, out]."""
        hidden = F.silu(self.norm_in(self.convolution_in(x)))  # [B, H, out]
        hidden = hidden + self.condition(condition)[:, None]
        return F.silu(self.norm_out(self.convolution_out(hidden))) + self.skip(x)


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
        condition = 2 * base_width
        widths = [base_width * multiplier for multiplier in channel_multipliers]
        self.step_embedding = nn.Sequential(
            nn.Linear(base_width, 4 * base_width), nn.SiLU(), nn.Linear(4 * base_width, base_width)
        )
        self.return_embedding = nn.Sequential(
            nn.Linear(1, 4 * base_width), nn.SiLU(), nn.Linear(4 * base_width, base_width)
        )
        inputs = [state_size, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.ModuleList([ResidualBlock(a, b, condition), ResidualBlock(b, b, condition)])
            for a, b in zip(inputs, widths, strict=True)
        )
        # Halving and doubling the time axis: kernel 2, stride 2, hence linear maps on pairs of steps.
        self.downsample = nn.ModuleList(nn.Linear(2 * width, width) for width in widths[:-1])
        self.middle = nn.ModuleList(ResidualBlock(widths[-1], widths[-1], condition) for _ in range(2))
        self.upsample = nn.ModuleList(nn.Linear(b, 2 * a) for a, b in pairwise(widths))
        self.up = nn.ModuleList(
            nn.ModuleList(
                [ResidualBlock(2 * width, width, condition), ResidualBlock(width, width, condition)]
            )
            for width in widths[:-1]
        )
        self.output = nn.Linear(widths[0], state_size)

    def forward(self, plan: Tensor, step: Tensor, return_to_go: Tensor, conditional: Tensor) -> Tensor:
        """Predict what was added to the plan.

        Args:
            plan: noisy normalised plans [B, H, state].
            step: diffusion steps [B], whole numbers from 0 (least noise).
            return_to_go: scaled returns-to-go [B].
            conditional: [B] bool; False hides the return-to-go (the unconditional branch).

        Returns:
            [B, H, state].
        """
        step_part = self.step_embedding(sinusoidal_embedding(step, self.base_width))  # [B, width]
        return_part = self.return_embedding(return_to_go[:, None]) * conditional[:, None]  # [B, width]
        condition = F.silu(torch.cat([step_part, return_part], dim=-1))  # [B, 2 width]
        x, skips = plan, []
        for level, blocks in enumerate(self.down):
            for block in blocks:
                x = block(x, condition)  # [B, H / 2^level, width of level]
            if level < len(self.downsample):
                skips.append(x)
                x = self.downsample[level](
                    x.unflatten(1, (-1, 2)).flatten(2)
                )  # [B, H / 2^(level + 1), width]
        for block in self.middle:
            x = block(x, condition)
        for level in reversed(range(len(self.up))):
            x = (
                self.upsample[level](x).unflatten(2, (2, -1)).flatten(1, 2)
            )  # [B, H / 2^level, width of level]
            x = torch.cat([x, skips[level]], dim=-1)
            for block in self.up[level]:
                x = block(x, condition)
        return self.output(x)
