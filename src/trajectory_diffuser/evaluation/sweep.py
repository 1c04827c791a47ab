"""Plan time against one thing at a time: horizon, refinement steps, candidates, batch, width of the networks.

Networks are freshly initialised: what they have learnt does not change how long they take.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.diffusion.trajectory_diffusion import TrajectoryDiffusion
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.models.causal_transformer import CausalTransformer
from trajectory_diffuser.models.mlp import InverseDynamics, Value
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.planning.acceleration import accelerate
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner

MEASURED = (
    "p50_seconds", "network_seconds", "peak_bytes", "transformer_calls", "denoiser_calls",
    "transformer_flops", "denoiser_flops",
)  # fmt: skip


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


def sweep(
    params: dict[str, Any],
    task: str,
    normaliser: Normaliser,
    observations: np.ndarray,
    action_size: int,
    device: torch.device,
) -> pd.DataFrame:
    """Time the planners of `measure_latency.sweep` about the task's own settings.

    Args:
        params: all parameters.
        task: gives horizon and history.
        normaliser: of the data.
        observations: consecutive observations [N, obs].
        action_size: numbers in an action.
        device: where to plan.

    Returns:
        A row per varied quantity, value and planner: `varied`, `value`, `planner` and MEASURED.
    """
    settings, task_settings = params["measure_latency"]["sweep"], params["tasks"][task]
    varied = {
        "horizon": settings["horizons"],
        "refine_steps": settings["refine_steps"],
        "candidates": settings["candidates"],
        "batch": settings["batches"],
        "width": settings["widths"],
    }
    rows = []
    for quantity, values in varied.items():
        for value in values:
            models = untrained_models(
                params,
                normaliser,
                action_size,
                device,
                horizon=value if quantity == "horizon" else task_settings["horizon"],
                history=task_settings["history"],
                width=value if quantity == "width" else 1,
            )
            agents = {}
            for name in settings["planners"]:
                row = params["planners"][name]
                if quantity == "candidates":
                    row = row | {"candidates": value}
                if quantity == "refine_steps":
                    if row["refine_steps"] in (0, "all"):
                        continue
                    row = row | {"refine_steps": value}
                planner = TrajectoryPlanner(
                    models,
                    PlannerSettings.from_row(
                        row, task_settings["guidance"], models.diffusion.diffusion_steps
                    ),
                    torch.Generator(device).manual_seed(0),
                )
                batch = value if quantity == "batch" else 1
                agents[name] = SteadyState(Planner(planner, 1.0, device), observations, batch)
            for name, measured in measure(agents, 1, settings["repetitions"], device).items():
                row = {"varied": quantity, "value": value, "planner": name}
                rows.append(row | {key: measured[key] for key in MEASURED})
    return pd.DataFrame(rows)
