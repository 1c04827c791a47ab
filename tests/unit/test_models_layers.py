import pytest
import torch
from torch import nn

from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.layers import LayerNorm, Linear
from trajectory_diffuser.models.mlp import InverseDynamics, Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet

NETWORKS = {
    "transformer": CausalTransformer(3, 8, 16, 1, 2, 0.0),
    "denoiser": TemporalUNet(3, 8, [1, 2]),
    "inverse_dynamics": InverseDynamics(3, 2, 8, 1),
    "value": Value(3, 2, 8, 1),
}


def test_they_compute_what_torchs_layers_do():
    x = torch.randn(4, 6)
    for ours, theirs in ((Linear(6, 5), nn.Linear(6, 5)), (LayerNorm(6), nn.LayerNorm(6))):
        theirs.load_state_dict(ours.state_dict())
        assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_module_is_called_as_torch_calls_it_or_by_its_own_forward(name):
    """A subclass with a forward of its own would otherwise be called by its parent's."""
    for module in NETWORKS[name].modules():
        assert type(module).__call__ in (nn.Module.__call__, type(module).forward), type(module)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_can_be_compiled_hooked_and_given_another_forward(name):
    network = NETWORKS[name]
    for module in (network, getattr(network, "condition", network)):
        assert type(module).__call__ is nn.Module.__call__
