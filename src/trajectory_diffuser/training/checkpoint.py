"""Checkpoints of a training run: safetensors, outside the declared outputs (which engines delete first)."""

import copy
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from trajectory_diffuser.common.errors import reason
from trajectory_diffuser.computing.files import atomic_file, set_aside
from trajectory_diffuser.training.result import KeptWeights, TrainingResult

ROOT = Path("results/checkpoints")
WINDOW = ("losses", "norms")


class Checkpoint:
    """The last saved moment of one training run.

    A checkpoint that is damaged, or that another run made, is set aside: renamed, with a warning.

    Args:
        directory: holds `checkpoint.safetensors`.
        identity: all that the run's outcome depends on, by name; values that JSON can hold.
    """

    def __init__(self, directory: Path, identity: dict[str, Any]) -> None:
        self.directory = directory
        self.file = directory / "checkpoint.safetensors"
        self.identity = json.loads(json.dumps(identity))  # as it is read back

    def save(
        self, step: int, result: TrainingResult, model: nn.Module, optimiser: torch.optim.Optimizer
    ) -> None:
        """Replace the checkpoint, atomically, by the state after `step` steps."""
        tensors: dict[str, Tensor] = {}
        for prefix, module in _modules(result, model).items():
            tensors |= {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser/{index}/{name}": torch.as_tensor(value) for name, value in state.items()}
        for name, values in zip(WINDOW, zip(*result.window, strict=True), strict=False):  # none: no tensor
            tensors[f"window/{name}"] = torch.stack(values)
        facts = {
            "step": step,
            "seconds": result.seconds,
            "curves": result.curves,
            "kept": [[kept.fraction, kept.step, kept.seconds] for kept in result.kept],
        }
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        record = json.dumps({"identity": self.identity, "facts": facts})
        with atomic_file(self.file) as work:
            save_file(tensors, work, {"record": record, "digest": _digest(tensors, record)})

    def load(self, result: TrainingResult, model: nn.Module, optimiser: torch.optim.Optimizer) -> int:
        """Restore the saved state in place; the steps done, 0 without a checkpoint of this run."""
        if not self.file.exists():
            return 0
        try:
            tensors, record = _read(self.file)
        except Exception as error:  # what a damaged file makes safetensors, torch or json raise is not listed
            set_aside(self.file, f"is damaged ({reason(error)})")
            return 0
        identity, facts = record["identity"], record["facts"]
        names = sorted(identity.keys() | self.identity.keys())
        if other := [name for name in names if identity.get(name) != self.identity.get(name)]:
            set_aside(self.file, f"belongs to a run with other {', '.join(other)}")
            return 0
        result.curves, result.seconds = facts["curves"], facts["seconds"]
        result.kept = [KeptWeights(*kept, copy.deepcopy(result.model)) for kept in facts["kept"]]
        for prefix, module in _modules(result, model).items():
            module.load_state_dict(_below(tensors, f"{prefix}/"))
        states: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, "optimiser/").items():
            index, key = name.split("/")
            states.setdefault(int(index), {})[key] = tensor
        optimiser.load_state_dict(optimiser.state_dict() | {"state": states})
        device, none = next(model.parameters()).device, torch.empty(0)
        window = [tensors.get(f"window/{name}", none).to(device) for name in WINDOW]
        result.window = list(zip(*window, strict=True))
        return facts["step"]

    def remove(self) -> None:
        """Delete the checkpoint, and one that was set aside, once its run has ended well."""
        shutil.rmtree(self.directory, ignore_errors=True)


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of a checkpoint; raises some exception if it is not as it was written."""
    with safe_open(file, framework="pt") as stored:
        metadata = stored.metadata() or {}
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
    if not {"record", "digest"} <= metadata.keys():
        raise ValueError("no record of its run")
    if metadata["digest"] != _digest(tensors, metadata["record"]):
        raise ValueError("its digest is another")
    return tensors, json.loads(metadata["record"])


def _digest(tensors: dict[str, Tensor], record: str) -> str:
    digest = hashlib.sha256(record.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(repr((name, tensor.dtype, tensor.shape)).encode())
        digest.update(tensor.cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _modules(result: TrainingResult, model: nn.Module) -> dict[str, nn.Module]:
    """Everything that has weights, by its name in the file."""
    kept = {f"kept/{index}": kept.model for index, kept in enumerate(result.kept)}
    return {"model": model, "averaged": result.model} | kept
