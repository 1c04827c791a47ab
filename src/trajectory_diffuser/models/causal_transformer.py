"""The draft model: a causal transformer over (state, return-to-go) tokens, one token per time step.

Given the history up to now it predicts the next state and the next return-to-go, and so, fed with its own
predictions, a whole plan. The authors' code trains without a causal mask and recomputes the whole context at
every step; here attention is causal and the keys and values of earlier tokens are kept.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding
from trajectory_diffuser.models.layers import LayerNorm, Linear


class KeyValueCache:
    """Keys and values of the tokens so far; room for the longest sequence is taken once.

    Attributes:
        layers: per transformer block [2, B, heads, context, width / heads], keys and values.
        length: tokens so far.
    """

    def __init__(self, layers: list[Tensor]) -> None:
        self.layers = layers
        self.length = 0


class Block(nn.Module):
    """Causal self-attention and a feed-forward network, each behind a LayerNorm, beside a skip connection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.norm_attention = LayerNorm(width)
        self.query_key_value = Linear(width, 3 * width)
        self.projection = Linear(width, width)
        self.norm_feed_forward = LayerNorm(width)
        # The tanh form of GELU: four times faster than the exact one for a single token on a CPU.
        self.feed_forward = nn.Sequential(
            Linear(width, 2 * width), nn.GELU(approximate="tanh"), Linear(2 * width, width)
        )

    def forward(self, x: Tensor, stored: Tensor | None, past: int) -> Tensor:
        """X [B, T, width] after `past` tokens, whose keys and values are `stored` -> [B, T, width]."""
        batch, length, width = x.shape
        split = self.query_key_value(self.norm_attention(x)).view(batch, length, 3, self.heads, -1)
        split = split.permute(2, 0, 3, 1, 4)  # [3, B, heads, T, width / heads]
        query, key_value = split[0], split[1:]
        if stored is not None:
            stored[:, :, :, past : past + length] = key_value
            key_value = stored[:, :, :, : past + length]  # [2, B, heads, past + T, width / heads]
        key, value = key_value.unbind()
        dropout = self.dropout if self.training else 0.0
        if length == 1:  # a single newest token sees everything
            attended = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        elif past == 0:
            attended = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        else:
            mask = _causal_mask(query, key)
            attended = F.scaled_dot_product_attention(query, key, value, mask, dropout)
        x = x + self._dropped(self.projection(attended.transpose(1, 2).reshape(batch, length, width)))
        return x + self._dropped(self.feed_forward(self.norm_feed_forward(x)))

    __call__ = forward

    def _dropped(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout) if self.training else x


def _causal_mask(query: Tensor, key: Tensor) -> Tensor:
    queries, keys = query.shape[2], key.shape[2]
    mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device)
    return mask.tril(diagonal=keys - queries)  # [T, past + T]


class CausalTransformer(nn.Module):
    """Predicts each next (state, return-to-go) from all tokens so far.

    Args:
        state_size: numbers in a state.
        context: longest sequence, history and horizon together, so that nothing slides inside a plan.
        width: of the embedded tokens.
        layers: transformer blocks.
        heads: attention heads.
        dropout: dropout probability in training.
    """

    def __init__(
        self, state_size: int, context: int, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.context = context
        self.embedding = Linear(state_size + 1, width)
        self.register_buffer(
            "positions", sinusoidal_embedding(torch.arange(context), width), persistent=False
        )
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = LayerNorm(width)
        self.output = Linear(width, state_size + 1)

    def new_cache(self, batch: int) -> KeyValueCache:
        """An empty cache for `batch` sequences, on the network's device and in its precision."""
        weight = self.output.weight
        heads = self.blocks[0].heads
        shape = (2, batch, heads, self.context, weight.shape[1] // heads)
        return KeyValueCache([weight.new_empty(shape) for _ in self.blocks])

    def forward(self, tokens: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Predict the successor of each token.

        Args:
            tokens: normalised state and scaled return-to-go of each step, side by side [B, T, state + 1].
            cache: holds the tokens before these, from earlier calls, and receives these.

        Returns:
            The next tokens [B, T, state + 1].

        Raises:
            ValueError: past and present tokens together exceed the context.
        """
        past, length = cache.length if cache else 0, tokens.shape[1]
        if past + length > self.context:
            raise ValueError(f"{past + length} tokens do not fit the transformer's context of {self.context}")
        x = self.embedding(tokens) + self.positions[past : past + length]  # [B, T, width]
        for index, block in enumerate(self.blocks):
            x = block(x, cache.layers[index] if cache else None, past)
        if cache:
            cache.length = past + length
        # Predicting the change is easier than predicting the value: states move little in a step.
        return tokens + self.output(self.norm(x))

    def draft(self, states: Tensor, returns_to_go: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Roll out `length` further steps after the history, each fed with the last prediction.

        The history is read once; from then on a drafted state costs one token.

        Args:
            states: normalised history [B, T, state], the present state last.
            returns_to_go: scaled returns-to-go of the history [B, T].
            length: steps to draft.

        Returns:
            Drafted states [B, length, state] and returns-to-go [B, length].
        """
        cache = self.new_cache(len(states))
        tokens = torch.cat([states, returns_to_go[..., None]], dim=-1)  # [B, T, state + 1]
        drafted = []
        for _ in range(length):
            tokens = self(tokens, cache)[:, -1:]  # [B, 1, state + 1]
            drafted.append(tokens)
        future = torch.cat(drafted, dim=1)  # [B, length, state + 1]
        return future[..., :-1], future[..., -1]
