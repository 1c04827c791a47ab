"""Plan time against one thing at a time: horizon, refinement steps, candidates, batch, width."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.evaluation.cell import planner_of
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.evaluation.untrained import untrained_models
from trajectory_diffuser.planning.choice import middle, settled
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

MEASURED = ("seconds_per_plan", "network_seconds", "network_calls", "flops")


def sweep(
    params: dict[str, Any],
    task: str,
    normaliser: Normaliser,
    observations: np.ndarray,
    action_size: int,
    device: torch.device,
) -> pd.DataFrame:
    """Time the planners of `measure_scaling` about the task's own settings, with untrained networks.

    What their rows leave to tuning is the middle of the grid: it makes no difference to their times, but for
    guidance weights of 0 and 1, which need only one of the two branches. The temperature is 1: without noise
    there would be one candidate.

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
    settings, task_settings = params["measure_scaling"], params["tasks"][task]
    varied = {
        "horizon": settings["horizons"],
        "refine_steps": settings["refine_steps"],
        "candidates": settings["candidates"],
        "batch": settings["batches"],
        "width": settings["widths"],
    }

    def networks(horizon: int = task_settings["horizon"], width: int = 1) -> PlanningModels:
        history = task_settings["history"]
        return untrained_models(
            params, normaliser, action_size, device, horizon=horizon, history=history, width=width
        )

    usual, usual_values = networks(), middle(params["tune"]["grid"]) | {"temperature": 1.0}
    rows = []
    for quantity, values in varied.items():
        # Rising, so that no batch is padded to a larger one that was compiled before.
        runtime = Runtime.from_params(params, device)
        for value in sorted(values):
            models = networks(**{quantity: value}) if quantity in ("horizon", "width") else usual
            planners = {}
            for name in settings["planners"]:
                row = _changed(params["planners"][name], quantity, value)
                if row is None:
                    continue
                planner = planner_of([settled(row, usual_values)], models, runtime, noise_seed=0)
                planners[name] = SteadyState(planner, observations, value if quantity == "batch" else 1)
            for name, measured in measure(planners, 0, settings["repetitions"], device).items():
                point = {"varied": quantity, "value": value, "planner": name}
                rows.append(point | {key: measured[key] for key in MEASURED})
    return pd.DataFrame(rows)


def _changed(row: dict[str, Any], quantity: str, value: int) -> dict[str, Any] | None:
    """A planner's row with one thing changed; None where the row does not have it."""
    if quantity == "candidates":
        return row | {"candidates": value}
    if quantity == "refine_steps":
        if row["refine_steps"] in (0, "all"):
            return None
        return {key: row[key] for key in row if key != "last_steps"} | {"refine_steps": value}
    return row
