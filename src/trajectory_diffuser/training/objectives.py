"""What each network is trained to do, as a loss on a batch that is already on the device."""

import torch
from torch import Tensor

from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value


def transformer_loss(
    model: CausalTransformer, states: Tensor, returns_to_go: Tensor, mask: Tensor, state_noise: float
) -> Tensor:
    """Squared error of the next state and the next return-to-go.

    Args:
        model: the draft model.
        states: normalised windows [B, T + 1, state].
        returns_to_go: scaled [B, T + 1].
        mask: [B, T + 1] bool, False past an episode's end.
        state_noise: standard deviation of noise on the input states in training (not on the targets), so that
            the model leads back to the data from the states beside them that its own predictions make.
    """
    inputs = states[:, :-1]
    if model.training:
        inputs = inputs + state_noise * torch.randn_like(inputs)
    predicted = model(torch.cat([inputs, returns_to_go[:, :-1, None]], dim=-1))  # [B, T, state + 1]
    state_error = (predicted[..., :-1] - states[:, 1:]).square().mean(-1)  # [B, T]
    return_error = (predicted[..., -1] - returns_to_go[:, 1:]).square()  # [B, T]
    known = mask[:, 1:]
    return ((state_error + return_error) * known).sum() / known.sum()


def inverse_dynamics_loss(
    model: InverseDynamics, state: Tensor, next_state: Tensor, action: Tensor
) -> Tensor:
    """Squared error of the action; states [B, state], actions [B, action]."""
    return (model(state, next_state) - action).square().mean()


def value_loss(model: Value, state: Tensor, action: Tensor, return_to_go: Tensor) -> Tensor:
    """Squared error of the scaled return-to-go [B] of state [B, state] and action [B, action]."""
    return (model(state, action) - return_to_go).square().mean()
