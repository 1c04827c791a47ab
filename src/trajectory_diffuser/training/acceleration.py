"""Two optional ways to faster steps: a compiled network and bfloat16."""

from typing import Any

import torch
from torch import nn

from trajectory_diffuser.training.loop import Loss


def accelerated_loss(loss: Loss, network: nn.Module, settings: dict[str, Any], device: torch.device) -> Loss:
    """The loss as `settings` want it: with `network` compiled, in place, and in `precision`.

    Copies of a compiled network are not compiled, and its weights keep their names.
    """
    if settings["compile"]:
        network.compile(options={"fallback_random": True})  # dropout draws what it draws without compiling
    if settings["precision"] == "bfloat16":
        return torch.autocast(device.type, torch.bfloat16)(loss)
    return loss
