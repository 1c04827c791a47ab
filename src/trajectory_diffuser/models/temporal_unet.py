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
from trajectory_diffuser.models.layers import LayerNorm, Linear

KERNEL = 5


class TemporalConvolution(Linear):
    """A convolution along time with kernel 5 and zero padding, as one matrix product."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__(KERNEL * channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """[B, H, in] -> [B, H, out]."""
        batch, horizon, channels = x.shape
        reach = min(KERNEL // 2, horizon - 1)  # beyond it a short sequence has nothing but padding
        size = (2 * reach + 1) * channels
        zeros = x.new_zeros(batch, reach, channels)
        padded = torch.cat([zeros, x, zeros], dim=1)  # [B, H + 4, in]
        # Five neighbouring steps lie side by side in memory: a window is a view.
        windows = padded.view(batch, -1).unfold(1, size, channels)  # [B, H, 5 in]
        weight, bias = self._parameters["weight"], self._parameters["bias"]  # [out, 5 in], [out]
        if reach < KERNEL // 2:
            weight = weight.narrow(1, (KERNEL // 2 - reach) * channels, size)
        rows = windows.reshape(batch * horizon, size)
        return F.linear(rows, weight, bias).view(batch, horizon, -1)

    __call__ = forward


class ResidualBlock(nn.Module):
    """Two temporal convolutions with the condition added between them, and a skip connection."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.convolution_in = TemporalConvolution(channels_in, channels_out)
        self.convolution_out = TemporalConvolution(channels_out, channels_out)
        self.norm_in = LayerNorm(channels_out)
        self.norm_out = LayerNorm(channels_out)
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else Linear(channels_in, channels_out)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x [B, H, in] and the block's condition [B, 1, out] to [B, H, out]."""
        hidden = F.silu(self.norm_in(self.convolution_in(x))) + condition  # [B, H, out]
        return F.silu(self.norm_out(self.convolution_out(hidden))) + self.skip(x)

    __call__ = forward


class Condition(nn.Module):
    """What a denoiser's blocks are told of diffusion step and return-to-go, for all blocks at once."""

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.width = width
        self.step_embedding = nn.Sequential(Linear(width, 4 * width), nn.SiLU(), Linear(4 * width, width))
        self.return_embedding = nn.Sequential(Linear(1, 4 * width), nn.SiLU(), Linear(4 * width, width))
        self.projection = Linear(2 * width, outputs)

    def forward(self, step: Tensor, return_to_go: Tensor, conditional: Tensor) -> Tensor:
        """Embed and project.

        Args:
            step: diffusion steps [...], whole numbers from 0 (least noise).
            return_to_go: scaled returns-to-go [...].
            conditional: [...] bool; False hides the return-to-go (the unconditional branch).

        Returns:
            [..., outputs].
        """
        step_part = self.step_embedding(sinusoidal_embedding(step, self.width))  # [..., width]
        return_part = self.return_embedding(return_to_go[..., None]) * conditional[..., None]  # [..., width]
        return self.projection(F.silu(torch.cat([step_part, return_part], dim=-1)))


class TemporalUNet(nn.Module):
    """Predicts the noise (or velocity) in noisy plans.

    The condition (diffusion step, return-to-go) is a call of its own, because a whole chain of steps needs it
    once: `network(plan, network.condition(step, return_to_go, conditional))`.

    Args:
        state_size: numbers in a state.
        base_width: channels of the first level.
        channel_multipliers: channels per level as multiples of `base_width`; the horizon must be divisible by
            two to the power of (levels - 1).
    """

    def __init__(self, state_size: int, base_width: int, channel_multipliers: list[int]) -> None:
        super().__init__()
        widths = [base_width * multiplier for multiplier in channel_multipliers]
        inputs = [state_size, *widths[:-1]]
        self.down = nn.ModuleList(
            nn.ModuleList([ResidualBlock(a, b), ResidualBlock(b, b)])
            for a, b in zip(inputs, widths, strict=True)
        )
        # Halving and doubling the time axis: kernel 2, stride 2, hence linear maps on pairs of steps.
        self.downsample = nn.ModuleList(Linear(2 * width, width) for width in widths[:-1])
        self.middle = nn.ModuleList(ResidualBlock(widths[-1], widths[-1]) for _ in range(2))
        self.upsample = nn.ModuleList(Linear(b, 2 * a) for a, b in pairwise(widths))
        self.up = nn.ModuleList(
            nn.ModuleList([ResidualBlock(2 * width, width), ResidualBlock(width, width)])
            for width in reversed(widths[:-1])
        )
        self.output = Linear(widths[0], state_size)
        # Channels of every block's condition, in the order in which the blocks are called.
        self.condition_sizes = [
            width for width in [*widths, widths[-1], *reversed(widths[:-1])] for _ in range(2)
        ]
        self.condition = Condition(base_width, sum(self.condition_sizes))

    def forward(self, plan: Tensor, condition: Tensor) -> Tensor:
        """Predict what was added to the plan.

        Args:
            plan: noisy normalised plans [B, H, state].
            condition: of each plan [B, condition].

        Returns:
            [B, H, state].
        """
        batch, horizon, _ = plan.shape
        conditions = iter(condition[:, None].split(self.condition_sizes, dim=-1))  # each [B, 1, channels]
        x, skips = plan, []
        for level, blocks in enumerate(self.down):
            for block in blocks:
                x = block(x, next(conditions))  # [B, H / 2^level, width of level]
            if level < len(self.downsample):
                skips.append(x)
                horizon //= 2
                x = self.downsample[level](x.view(batch, horizon, -1))  # [B, H / 2^(level + 1), width]
        for block in self.middle:
            x = block(x, next(conditions))
        for blocks, upsample in zip(self.up, reversed(self.upsample), strict=True):
            horizon *= 2
            x = upsample(x).view(batch, horizon, -1)  # [B, H / 2^level, width of level]
            x = torch.cat([x, skips.pop()], dim=-1)
            for block in blocks:
                x = block(x, next(conditions))
        return self.output(x)
