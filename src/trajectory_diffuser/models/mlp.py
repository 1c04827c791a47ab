"""The small networks: inverse dynamics (what action leads there?), value (what is it worth?), policy."""

from itertools import pairwise

import torch
from torch import Tensor, nn


def mlp(inputs: int, width: int, layers: int, outputs: int) -> nn.Sequential:
    """A ReLU network with `layers` hidden layers of `width` units."""
    sizes = [inputs] + [width] * layers
    hidden = [module for a, b in pairwise(sizes) for module in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


class InverseDynamics(nn.Module):
    """The action that leads from one state to the next (Decision Diffuser, arXiv 2211.15657, section 3.1).

    It reads the state and the change of state: a step changes some numbers by a hundredth of their range, and
    the action shows in nothing but the change.
    """

    def __init__(self, state_size: int, action_size: int, width: int, layers: int) -> None:
        super().__init__()
        self.network = mlp(2 * state_size, width, layers, action_size)

    def forward(self, state: Tensor, next_state: Tensor) -> Tensor:
        """Map normalised states [..., state] and their successors [..., state] to actions [..., action]."""
        return self.network(torch.cat([state, next_state - state], dim=-1))


class Value(nn.Module):
    """The scaled return-to-go of taking an action in a state, for choosing among candidate plans."""

    def __init__(self, state_size: int, action_size: int, width: int, layers: int) -> None:
        super().__init__()
        self.network = mlp(state_size + action_size, width, layers, 1)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        """Map normalised states [..., state] and actions [..., action] to scaled returns-to-go [...]."""
        return self.network(torch.cat([state, action], dim=-1)).squeeze(-1)


class PolicyNetwork(nn.Module):
    """The action that the data took in a state: behaviour cloning.

    With `return_conditioned` it is told which return was still to come (RvS, arXiv 2112.10751, section 3;
    there its average over the steps that are left).
    """

    def __init__(
        self, state_size: int, action_size: int, width: int, layers: int, return_conditioned: bool
    ) -> None:
        super().__init__()
        self.state_size, self.return_conditioned = state_size, return_conditioned
        self.network = mlp(state_size + return_conditioned, width, layers, action_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map states and returns-to-go, side by side [..., state + 1], to actions [..., action].

        Both as networks read them, normalised and scaled. What is not `return_conditioned` reads no returns.
        """
        return self.network(tokens if self.return_conditioned else tokens[..., : self.state_size])
