"""Networks of the parameters' sizes that have learnt nothing, for timing: it makes no difference there."""

from typing import Any

import numpy as np
import torch

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.models.building import NETWORKS
from trajectory_diffuser.planning.models import PlanningModels

WIDE = ("width", "base_width")


def untrained_models(
    params: dict[str, Any],
    normaliser: Normaliser,
    action_size: int,
    device: torch.device,
    *,
    horizon: int,
    history: int,
    width: int = 1,
) -> PlanningModels:
    """Networks as the training stages begin with them; `width` multiplies the width of the two large ones."""
    torch.manual_seed(0)
    sizes = {"state_size": len(normaliser.mean), "action_size": action_size, "context": history + horizon}
    settings = {name: params[f"train_{name}"] | sizes for name in NETWORKS}
    for name in ("transformer", "diffusion"):
        wider = {key: width * value for key, value in settings[name].items() if key in WIDE}
        settings[name] = settings[name] | wider
    return PlanningModels.build(
        settings,
        device,
        normaliser=normaliser,
        action_bounds=np.float32([[-1] * action_size, [1] * action_size]),
        task="untrained",
        environment={},
        horizon=horizon,
        history=history,
        stride=1,  # another one costs the same
        return_scale=1.0,
        best_return=1.0,
    )
