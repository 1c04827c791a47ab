import pytest
from torch import nn

from trajectory_diffuser.models.building import NETWORKS, arguments_of, build_network
from trajectory_diffuser.models.mlp import Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet

SETTINGS = {
    "state_size": 3, "action_size": 2, "width": 8, "layers": 1, "heads": 2, "dropout": 0.0, "context": 12,
    "base_width": 4, "channel_multipliers": [1, 2], "learning_rate": 0.1, "compile": False,
}  # fmt: skip
TAKEN = {
    "transformer": {"state_size", "context", "width", "layers", "heads", "dropout"},
    "diffusion": {"state_size", "base_width", "channel_multipliers"},
    "inverse_dynamics": {"state_size", "action_size", "width", "layers"},
    "value": {"state_size", "action_size", "width", "layers"},
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_constructors_arguments_are_just_those_of_the_settings_that_it_names(name):
    taken = arguments_of(NETWORKS[name], SETTINGS)
    assert taken == {key: SETTINGS[key] for key in TAKEN[name]}


def test_settings_that_are_missing_are_left_to_the_constructor():
    def make(width, layers=7, *, heads=1):
        """Nothing."""

    assert arguments_of(make, {"width": 8, "other": 1}) == {"width": 8}
    with pytest.raises(TypeError, match="action_size"):
        build_network("value", {key: SETTINGS[key] for key in SETTINGS if key != "action_size"})


def test_networks_are_built_from_settings_that_hold_more():
    networks = {name: build_network(name, SETTINGS) for name in NETWORKS}
    assert {name: type(network) for name, network in networks.items()} == NETWORKS
    assert isinstance(networks["diffusion"], TemporalUNet)
    assert isinstance(networks["value"], Value)
    sizes = [layer.in_features for layer in networks["value"].network if isinstance(layer, nn.Linear)]
    assert sizes == [3 + 2, 8]
