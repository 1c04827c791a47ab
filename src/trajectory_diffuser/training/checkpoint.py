"""Checkpoints of a training run: safetensors, outside the declared outputs (which engines delete first)."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from trajectory_diffuser.computing.files import atomic_file

ROOT = Path("results/checkpoints")
# Of the file, in which the optimiser's state is laid out as `flatten_weights` lays out the weights: raise it
# when either changes, a network's weights do, or the arithmetic of a step. A checkpoint of another format is
# ignored.
FORMAT = 4


class Checkpoint:
    """The last saved moment of one training run.

    Args:
        directory: holds `checkpoint.safetensors`.
        fingerprint: identifies parameters and data; a checkpoint with another fingerprint is ignored.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self.directory = directory
        self.file = directory / "checkpoint.safetensors"
        self.fingerprint = f"{FORMAT} {fingerprint}"

    def save(
        self,
        step: int,
        curves: list[dict[str, Any]],
        model: nn.Module,
        averaged: nn.Module,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        """Replace the checkpoint, atomically, by the state after `step` steps."""
        tensors: dict[str, Tensor] = {}
        for prefix, module in (("model", model), ("averaged", averaged)):
            tensors |= {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{name}": torch.as_tensor(value) for name, value in state.items()}
        metadata = {"fingerprint": self.fingerprint, "step": str(step), "curves": json.dumps(curves)}
        with atomic_file(self.file) as work:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, work, metadata)

    def load(
        self, model: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[int, list[dict[str, Any]]]:
        """Restore the saved state in place; the steps done and the curves so far (0 and [] without one)."""
        if not self.file.exists():
            return 0, []
        with safe_open(self.file, framework="pt") as stored:
            metadata = stored.metadata()
            if metadata["fingerprint"] != self.fingerprint:
                return 0, []
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
        for prefix, module in (("model", model), ("averaged", averaged)):
            module.load_state_dict(_below(tensors, f"{prefix}/"))
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, "optimiser/").items():
            index, key = name.split("/")
            states.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict(optimiser.state_dict() | {"state": states})
        return int(metadata["step"]), json.loads(metadata["curves"])

    def remove(self) -> None:
        """Delete the checkpoint once its run has ended well."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
