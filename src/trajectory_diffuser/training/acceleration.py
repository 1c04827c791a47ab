"""Two optional ways to faster steps: a compiled network and bfloat16."""

import os
import shutil
from typing import Any

import torch
from torch import nn

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.training.loop import Loss


def check_compiler(stage: str, settings: dict[str, Any], device_type: str) -> None:
    """Raise `UserError` where `compile` is set, but a CPU's code cannot be compiled: there is no compiler."""
    compiler = os.environ.get("CXX", "g++")
    if settings["compile"] and device_type == "cpu" and shutil.which(compiler) is None:
        raise UserError(
            f"params.yaml: {stage}.compile: true needs a C++ compiler, but there is no {compiler}; "
            "install g++, name another in CXX, or use false"
        )


def accelerated_loss(loss: Loss, network: nn.Module, settings: dict[str, Any], device: torch.device) -> Loss:
    """The loss as `settings` want it: with `network` compiled, in place, and in `precision`.

    Copies of a compiled network are not compiled, and its weights keep their names.
    """
    if settings["compile"]:
        network.compile(options={"fallback_random": True})  # dropout draws what it draws without compiling
    if settings["precision"] == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)(loss)
    return loss
