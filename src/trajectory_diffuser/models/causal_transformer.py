"""The draft model: a causal transformer over (state, return-to-go) tokens, one token per time step.

Given the history up to now it predicts the next state and the next return-to-go, and so, fed with its own
predictions, a whole plan. Attention is causal, so that the keys and values of earlier tokens are kept. The
authors' code trains without a causal mask and reads the whole context anew at every step: `causal=False`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding

KeysValues = tuple[Tensor, Tensor]


class Block(nn.Module):
    """Causal self-attention and a feed-forward network, each behind a LayerNorm, beside a skip connection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = nn.Dropout(dropout)
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        # The tanh form of GELU: four times faster than the exact one for a single token on a CPU.
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, past: KeysValues | None, mask: Tensor | None) -> tuple[Tensor, KeysValues]:
        """Read the tokens after those before them.

        Args:
            x: embedded tokens [B, T, width].
            past: keys and values of the P tokens before them, each [B, heads, P, width / heads].
            mask: which tokens each of them sees [T, P + T] bool; None for causal attention without a past.

        Returns:
            [B, T, width], and keys and values of all tokens, each [B, heads, P + T, width / heads].
        """
        batch, length, width = x.shape
        split = self.query_key_value(self.norm_attention(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind()  # each [B, heads, T, width / heads]
        if past is not None:
            key, value = torch.cat([past[0], key], dim=2), torch.cat([past[1], value], dim=2)
        dropout = self.dropout.p if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, mask, dropout, is_causal=mask is None)
        x = x + self.dropout(self.projection(attended.transpose(1, 2).reshape(batch, length, width)))
        return x + self.dropout(self.feed_forward(self.norm_feed_forward(x))), (key, value)


class CausalTransformer(nn.Module):
    """Predicts each next (state, return-to-go) from all tokens so far.

    Args:
        state_size: numbers in a state.
        context: longest sequence, history and horizon together, so that nothing slides inside a plan.
        width: of the embedded tokens; even, and divisible by `heads`.
        layers: transformer blocks.
        heads: attention heads.
        dropout: dropout probability in training.
        causal: whether a token sees only those before it. Without, all see all in training, of which each is
            what one before it must predict, and some may lie past an episode's end.
    """

    def __init__(
        self,
        state_size: int,
        context: int,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
        causal: bool = True,
    ) -> None:
        super().__init__()
        self.context, self.causal = context, causal
        self.embedding = nn.Linear(state_size + 1, width)
        positions = sinusoidal_embedding(torch.arange(context), width)  # [context, width]
        self.register_buffer("positions", positions, persistent=False)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, state_size + 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Predict the successor of each token, as in training.

        Args:
            tokens: normalised state and scaled return-to-go of each step, side by side [B, T, state + 1].

        Returns:
            The next tokens [B, T, state + 1].

        Raises:
            ValueError: more tokens than the context.
        """
        length = tokens.shape[1]
        if length > self.context:
            raise ValueError(f"{length} tokens do not fit the transformer's context of {self.context}")
        mask = None if self.causal else torch.ones(length, length, dtype=torch.bool, device=tokens.device)
        predicted, _ = self._read(tokens, self.positions[:length], [None] * len(self.blocks), mask)
        return predicted

    def draft(self, tokens: Tensor, padding: Tensor, length: int) -> Tensor:
        """Read the tokens at once and add `length` predicted ones, each of which is then read in its turn.

        Args:
            tokens: the history [B, T, state + 1], the present last.
            padding: whole number [], how many tokens at its beginning stand for steps that have not been:
                nothing attends to them, and positions count from the first real token.
            length: tokens to predict; each costs one token, because keys and values of the others are kept
                (or, if it is not causal, all of them anew).

        Returns:
            The tokens and the predicted ones after them [B, T + length, state + 1].
        """
        known = tokens.shape[1]
        slots = torch.arange(known + length - 1, device=tokens.device)  # of all tokens that are read [S]
        positions = self.positions[(slots - padding).clamp(min=0)]  # [S, width]
        # A token sees the real ones, up to itself if it is causal; padding sees itself, because a softmax
        # needs something.
        mask = (slots >= padding) | (slots == slots[:, None])  # [S, S]
        if self.causal:
            mask = mask & (slots <= slots[:, None])
        drafted, begin, past = [tokens], 0, [None] * len(self.blocks)
        for end in range(known, known + length):
            if not self.causal:  # the new token is seen by those before it
                begin, past, drafted = 0, [None] * len(self.blocks), [torch.cat(drafted, dim=1)]
            predicted, past = self._read(drafted[-1], positions[begin:end], past, mask[begin:end, :end])
            drafted.append(predicted[:, -1:])  # [B, 1, state + 1]
            begin = end
        return torch.cat(drafted, dim=1)

    def _read(
        self, tokens: Tensor, positions: Tensor, past: list[KeysValues | None], mask: Tensor | None
    ) -> tuple[Tensor, list[KeysValues]]:
        """Successors of the tokens [B, T, state + 1], and each block's keys and values so far."""
        x = self.embedding(tokens) + positions  # [B, T, width]
        so_far = []
        for block, before in zip(self.blocks, past, strict=True):
            x, keys_values = block(x, before, mask)
            so_far.append(keys_values)
        # Predicting the change is easier than predicting the value: states move little in a step.
        return tokens + self.output(self.norm(x)), so_far
