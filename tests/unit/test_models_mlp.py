import math

import pytest
import torch
from torch import nn

from trajectory_diffuser.models.embeddings import sinusoidal_embedding
from trajectory_diffuser.models.mlp import InverseDynamics, PolicyNetwork, Value, mlp


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_an_mlp_has_as_many_hidden_layers_as_asked_for(layers):
    network = mlp(3, 7, layers, 2)
    sizes = [(layer.in_features, layer.out_features) for layer in network if isinstance(layer, nn.Linear)]
    assert sizes == [(3, 7)] + [(7, 7)] * (layers - 1) + [(7, 2)]
    assert sum(isinstance(layer, nn.ReLU) for layer in network) == layers
    assert isinstance(network[-1], nn.Linear)


@pytest.mark.parametrize("lead", [(), (4,), (4, 5)])
def test_inverse_dynamics_and_value_keep_leading_dimensions(lead):
    state, action = torch.randn(*lead, 3), torch.randn(*lead, 2)
    assert InverseDynamics(3, 2, 8, 1)(state, state).shape == (*lead, 2)
    assert Value(3, 2, 8, 1)(state, action).shape == lead


def test_inverse_dynamics_tells_the_state_from_its_successor():
    torch.manual_seed(0)
    network = InverseDynamics(3, 2, 8, 1)
    a, b = torch.randn(2, 1, 3)
    assert not torch.equal(network(a, b), network(b, a))


@pytest.mark.parametrize("lead", [(), (4,), (4, 5)])
@pytest.mark.parametrize("told", [True, False])
def test_a_policy_reads_the_return_only_if_it_is_conditioned_on_it(lead, told):
    torch.manual_seed(0)
    network = PolicyNetwork(3, 2, 8, 1, return_conditioned=told)
    tokens, other_return, other_state = (torch.randn(*lead, 4) for _ in range(3))
    other_return[..., :3], other_state[..., 3] = tokens[..., :3], tokens[..., 3]
    assert network(tokens).shape == (*lead, 2)
    assert torch.equal(network(tokens), network(other_return)) == (not told)
    assert not torch.equal(network(tokens), network(other_state))


def test_the_embedding_is_sines_and_cosines_of_falling_frequency():
    values = torch.tensor([0, 1, 50])
    embedded = sinusoidal_embedding(values, 6)
    assert embedded.shape == (3, 6)
    for row, value in zip(embedded.tolist(), values.tolist(), strict=True):
        angles = [value * 10_000 ** (-index / 2) for index in range(3)]
        expected = [math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles]
        assert row == pytest.approx(expected, abs=1e-5)


def test_every_diffusion_step_has_an_embedding_of_its_own():
    embedded = sinusoidal_embedding(torch.arange(1000), 32)
    distances = torch.cdist(embedded, embedded) + 10 * torch.eye(1000)
    assert distances.min() > 1e-2
