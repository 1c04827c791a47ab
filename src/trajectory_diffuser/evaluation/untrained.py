"""Networks of the parameters' sizes that have learnt nothing, for timing: it makes no difference there."""

from typing import Any

import torch

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.planning.acceleration import accelerate
from trajectory_diffuser.planning.models import PlanningModels


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
    state_size = len(normaliser.mean)
    transformer, diffusion = params["train_transformer"], params["train_diffusion"]
    chain = {key: diffusion[key] for key in ("schedule", "diffusion_steps", "prediction")}
    unet = TemporalUNet(state_size, width * diffusion["base_width"], diffusion["channel_multipliers"])
    small = {
        name: {key: params[f"train_{name}"][key] for key in ("width", "layers")}
        for name in ("inverse_dynamics", "value")
    }
    networks = {
        "transformer": CausalTransformer(
            state_size,
            history + horizon,
            width * transformer["width"],
            transformer["layers"],
            transformer["heads"],
            transformer["dropout"],
        ),
        "diffusion": TrajectoryDiffusion(unet, normaliser, **chain),
        "inverse_dynamics": InverseDynamics(state_size, action_size, **small["inverse_dynamics"]),
        "value": Value(state_size, action_size, **small["value"]),
    }
    ready = {name: network.to(device).eval().requires_grad_(False) for name, network in networks.items()}
    models = PlanningModels(
        **ready, normaliser=normaliser, horizon=horizon, history=history, return_scale=1.0
    )
    accelerate(models, params["planning"], device)
    return models
