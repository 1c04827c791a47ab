"""The draft model: a causal transformer over (state, return-to-go) tokens, one token per time step.

Given the history up to now it predicts the next state and the next return-to-go, and so, fed with its own
predictions, a whole plan. The authors' code trains without a causal mask and recomputes the whole context at
every step; here attention is causal and the keys and values of earlier tokens are kept.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding

KeyValueCache = list[
    tuple[Tensor, Tensor]
]  # per layer: keys and values, each [B, heads, past, width / heads]


class Block(nn.Module):
    """Causal self-attention and a feed-forward network, each behind a LayerNorm, beside a skip connection."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.norm_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.norm_feed_forward = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """X [B, T, width] after `past` tokens -> [B, T, width] and keys and values of past and present."""
        split = self.query_key_value(self.norm_attention(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [B, heads, T, width / heads]
        if past is not None:
            key = torch.cat([past[0], key], dim=2)  # [B, heads, past + T, width / heads]
            value = torch.cat([past[1], value], dim=2)
        dropout = self.dropout if self.training else 0.0
        # Without a past the mask is the ordinary causal one; a single newest token sees everything.
        attended = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=_causal_mask(query, key) if past is not None and query.shape[2] > 1 else None,
            dropout_p=dropout,
            is_causal=past is None,
        )
        x = x + F.dropout(self.projection(attended.transpose(1, 2).flatten(2)), dropout)
        x = x + F.dropout(self.feed_forward(self.norm_feed_forward(x)), dropout)
        return x, (key, value)


def _causal_mask(query: Tensor, key: Tensor) -> Tensor:
    queries, keys = query.shape[2], key.shape[2]
    mask = torch.ones(queries, keys, dtype=torch.bool, device=query.device)
    return mask.tril(diagonal=keys - queries)  # [T, past + T]


class CausalTransformer(nn.Module):
    """Predicts each next (state, return-to-go) from all tokens so far.

    Args:
        state_size: numbers in a state.
        context: longest sequence, history and horizon together, so that nothing slides inside a plan.
        width: token width, half of it for the state and half for the return-to-go.
        layers: transformer blocks.
        heads: attention heads.
        dropout: dropout probability in training.
    """

    def __init__(
        self, state_size: int, context: int, width: int, layers: int, heads: int, dropout: float
    ) -> None:
        super().__init__()
        self.context = context
        self.state_embedding = nn.Linear(state_size, width // 2)
        self.return_embedding = nn.Linear(1, width // 2)
        self.register_buffer(
            "positions", sinusoidal_embedding(torch.arange(context), width), persistent=False
        )
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, state_size + 1)

    def forward(
        self, states: Tensor, returns_to_go: Tensor, cache: KeyValueCache | None = None
    ) -> tuple[Tensor, Tensor, KeyValueCache]:
        """Predict the successor of each token.

        Args:
            states: normalised states [B, T, state].
            returns_to_go: scaled returns-to-go [B, T].
            cache: keys and values of the tokens before these, from an earlier call.

        Returns:
            Next states [B, T, state], next returns-to-go [B, T] and the cache for the tokens that follow.

        Raises:
            ValueError: past and present tokens together exceed the context.
        """
        past = cache[0][0].shape[2] if cache else 0
        length = states.shape[1]
        if past + length > self.context:
            raise ValueError(f"{past + length} tokens do not fit the transformer's context of {self.context}")
        embedded = torch.cat(
            [self.state_embedding(states), self.return_embedding(returns_to_go[..., None])], dim=-1
        )  # [B, T, width]
        x = embedded + self.positions[past : past + length]
        present: KeyValueCache = []
        for index, block in enumerate(self.blocks):
            x, key_value = block(x, cache[index] if cache else None)
            present.append(key_value)
        change = self.output(self.norm(x))  # [B, T, state + 1]
        # Predicting the change is easier than predicting the value: states move little in a step.
        return states + change[..., :-1], returns_to_go + change[..., -1], present

    def draft(self, states: Tensor, returns_to_go: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """Roll out `length` further steps after the history, each fed with the last prediction.

        Args:
            states: normalised history [B, T, state], the present state last.
            returns_to_go: scaled returns-to-go of the history [B, T].
            length: steps to draft.

        Returns:
            Drafted states [B, length, state] and returns-to-go [B, length].
        """
        drafted: list[tuple[Tensor, Tensor]] = []
        cache: KeyValueCache | None = None
        for _ in range(length):
            states, returns_to_go, cache = self(states, returns_to_go, cache)
            states, returns_to_go = states[:, -1:], returns_to_go[:, -1:]
            drafted.append((states, returns_to_go))
        return torch.cat([step[0] for step in drafted], dim=1), torch.cat(
            [step[1] for step in drafted], dim=1
        )
