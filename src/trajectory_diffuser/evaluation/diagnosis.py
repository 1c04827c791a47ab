"""What fails before scores tell: drafts that go astray, plans copied from data, guidance without choice."""

import math
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.windows import PreparedDataset, WindowSampler
from trajectory_diffuser.evaluation.cell import planner_of, tuned_row
from trajectory_diffuser.evaluation.situations import plans_in_situations, spread
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

DRAFTS = 256  # compared with what followed in the data
WINDOWS_AT_A_TIME = 4096


def draft_errors(models: PlanningModels, dataset: PreparedDataset) -> pd.DataFrame:
    """How far open-loop drafts are from what held-out episodes did next, told the returns that came.

    Returns:
        A row for each planned state but the present: `step`, from 1; `error`, the root mean square over
        drafts and dimensions; `spread`, that of a guess which knows nothing but the states' mean at that
        step. Both in standard deviations of the data; NaN where no held-out episode is long enough.
    """
    history, horizon = models.history, models.horizon
    windows = WindowSampler(
        dataset,
        history + horizon - 1,
        models.transformer.positions.device,
        split="validation" if len(dataset.episodes("validation")) else "train",
        return_scale=models.return_scale,
        stride=models.stride,
    )
    states, returns_to_go, inside = windows.windows(_evenly(len(windows.starts), DRAFTS))
    tokens = torch.cat([states, returns_to_go[..., None]], dim=2)  # [n, history + H - 1, state + 1]
    padding = torch.zeros((), dtype=torch.long, device=tokens.device)
    with torch.inference_mode():
        drafted = models.transformer.draft(tokens[:, :history], padding, horizon - 1)
    rows = []
    for step in range(1, horizon):
        at = history - 1 + step
        actual, draft = (each[inside[:, at], at].double() for each in (states, drafted[..., :-1]))
        guess = actual.mean(dim=0)
        rows.append({"step": step, "error": _root_mean_square(draft - actual)})
        rows[-1]["spread"] = _root_mean_square(actual - guess)
    return pd.DataFrame(rows)


def plan_signs(
    params: dict[str, Any], task: str, seed: int, models: PlanningModels, runtime: Runtime
) -> tuple[pd.DataFrame, float | None]:
    """What the plans of the run's planners have of the data, and of one another, in held-out situations.

    Returns:
        A row per planner: `planner`; `guidance`; `plan_distance` (see `spread`), and the same with a weight
        of 1, `unguided_distance`; `nearest`, the median distance of a plan to the nearest window of the
        training data, root mean square over states and dimensions in standard deviations of the data. And
        the median `nearest` of as many held-out windows, None where there are none.

    Raises:
        UserError: a planner has not been tuned.
    """
    dataset = PreparedDataset.load(f"data/processed/{task}")
    rows, plans = [], []
    for name in params["run"]["planners"]:
        row, noise_seed = tuned_row(params, task, seed, name), derive_seed("diagnosis", task, seed, name)
        weights = {row["guidance"], 1.0} if row["refine_steps"] else {row["guidance"]}
        made = {
            weight: plans_in_situations(
                planner_of([row | {"guidance": weight}], models, runtime, noise_seed), dataset
            )
            for weight in weights
        }
        distances = {weight: spread(plan)["plan_distance"] for weight, plan in made.items()}
        rows.append({"planner": name, "guidance": row["guidance"] if row["refine_steps"] else math.nan})
        rows[-1]["plan_distance"] = distances[row["guidance"]]
        rows[-1]["unguided_distance"] = distances.get(1.0, math.nan)
        plans.append(made[row["guidance"]].states)
    held_out = _windows(models, dataset, "validation")
    shown = held_out.windows(_evenly(len(held_out.starts), len(plans[0])))[0]  # [n, H, state]
    nearest = nearest_windows(torch.cat([*plans, shown]), _windows(models, dataset, "train"))
    for row, own in zip(rows, nearest.split([len(each) for each in plans] + [len(shown)])[:-1], strict=True):
        row["nearest"] = float(own.median())
    return pd.DataFrame(rows), float(nearest[-len(shown) :].median()) if len(shown) else None


def nearest_windows(plans: Tensor, windows: WindowSampler) -> Tensor:
    """Root mean square distance of each plan [n, H, state] to the nearest of all windows [n]."""
    flat = plans.flatten(1)
    nearest = torch.full_like(flat[:, 0], math.inf)
    for chosen in torch.arange(len(windows.starts), device=plans.device).split(WINDOWS_AT_A_TIME):
        distances = torch.cdist(flat, windows.windows(chosen)[0].flatten(1))  # [n, windows]
        nearest = torch.minimum(nearest, distances.amin(dim=1))
    return nearest / math.sqrt(flat.shape[1])


def _windows(models: PlanningModels, dataset: PreparedDataset, split: str) -> WindowSampler:
    """The denoiser's windows."""
    device = models.transformer.positions.device
    return WindowSampler(dataset, models.horizon, device, split=split, absorbing=True, stride=models.stride)


def _evenly(count: int, most: int) -> Tensor:
    """At most so many indices of `count` things, evenly over all."""
    return torch.linspace(0, max(count - 1, 0), min(count, most)).long()


def _root_mean_square(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
