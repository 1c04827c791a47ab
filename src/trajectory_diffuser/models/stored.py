"""Trained networks on disk: a training stage's `config.json` and `model.safetensors`."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from trajectory_diffuser.common.errors import UserError, one_line
from trajectory_diffuser.common.files import read_json


def read_config(directory: Path) -> dict[str, Any]:
    """What `model` is built from, and the `task`, `task_settings` and `normaliser` that it was trained with.

    Raises `UserError` when there is no model in the directory, or one without a normaliser.
    """
    try:
        config = read_json(directory / "config.json")
    except FileNotFoundError:
        raise UserError(
            f"{directory}: no trained model there; run src/train_{directory.name}.py first"
        ) from None
    if "normaliser" not in config:
        raise UserError(f"{directory}/config.json: no normaliser in it; train the model again")
    return config


def load_weights(network: nn.Module, directory: Path) -> None:
    """Load the directory's weights, in place. Raises `UserError` when they are damaged or of another size."""
    file = directory / "model.safetensors"
    try:
        network.load_state_dict(load_file(file))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise UserError(f"{file}: cannot be loaded ({one_line(error)[:200]}); train it again") from None
