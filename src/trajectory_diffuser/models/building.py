"""What networks are built from: each constructor's arguments are its keys in the settings; their files."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet

NETWORKS: dict[str, type[nn.Module]] = {
    "transformer": CausalTransformer,
    "diffusion": TemporalUNet,
    "inverse_dynamics": InverseDynamics,
    "value": Value,
}


def build_network(name: str, settings: Mapping[str, Any]) -> nn.Module:
    """The network of one of the four models; `settings` may hold more than it takes."""
    return NETWORKS[name](**arguments_of(NETWORKS[name], settings))


def arguments_of(kind: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that are arguments of a constructor."""
    return {name: settings[name] for name in inspect.signature(kind).parameters if name in settings}


def weights_file(fraction: float = 1.0) -> str:
    """The file of a network's averaged weights after a share of its training steps."""
    return "model.safetensors" if fraction == 1.0 else f"model_after_{fraction:g}.safetensors"
