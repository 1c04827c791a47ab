"""Checkpoints of a training run: safetensors, outside the declared outputs (which engines delete first)."""

import copy
import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from trajectory_diffuser.computing.files import atomic_file
from trajectory_diffuser.training.result import KeptWeights, TrainingResult

ROOT = Path("results/checkpoints")
# Of the file, in which the optimiser's state is laid out as `flatten_weights` lays out the weights: raise it
# when either changes, a network's weights do, or the arithmetic of a step. A checkpoint of another format is
# ignored.
FORMAT = 5


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
        self, step: int, result: TrainingResult, model: nn.Module, optimiser: torch.optim.Optimizer
    ) -> None:
        """Replace the checkpoint, atomically, by the state after `step` steps."""
        tensors: dict[str, Tensor] = {}
        for prefix, module in _modules(result, model).items():
            tensors |= {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{name}": torch.as_tensor(value) for name, value in state.items()}
        facts = {
            "step": step,
            "seconds": result.seconds,
            "curves": result.curves,
            "kept": [[kept.fraction, kept.step, kept.seconds] for kept in result.kept],
        }
        metadata = {"fingerprint": self.fingerprint, "facts": json.dumps(facts)}
        with atomic_file(self.file) as work:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, work, metadata)

    def load(self, result: TrainingResult, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
        """Restore the saved state in place; the steps done, 0 without a checkpoint of this run."""
        if not self.file.exists():
            return 0
        with safe_open(self.file, framework="pt") as stored:
            metadata = stored.metadata()
            if metadata["fingerprint"] != self.fingerprint:
                return 0
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
        facts = json.loads(metadata["facts"])
        result.curves, result.seconds = facts["curves"], facts["seconds"]
        result.kept = [KeptWeights(*kept, copy.deepcopy(result.model)) for kept in facts["kept"]]
        for prefix, module in _modules(result, model).items():
            module.load_state_dict(_below(tensors, f"{prefix}/"))
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, "optimiser/").items():
            index, key = name.split("/")
            states.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict(optimiser.state_dict() | {"state": states})
        return facts["step"]

    def remove(self) -> None:
        """Delete the checkpoint once its run has ended well."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _modules(result: TrainingResult, model: nn.Module) -> dict[str, nn.Module]:
    """Everything that has weights, by its name in the file."""
    kept = {f"kept/{index}": kept.model for index, kept in enumerate(result.kept)}
    return {"model": model, "averaged": result.model} | kept
