"""What fails before scores tell: drafts that go astray, plans copied from data, guidance without choice."""

import math
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import WindowSampler
from trajectory_diffuser.evaluation.cell import planner_of, tuned_row
from trajectory_diffuser.evaluation.situations import (
    by_situation,
    held_out,
    plans_in_situations,
    situations,
    spread,
    what_followed,
)
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

DRAFTS = 256  # compared with what followed in the data
WINDOWS_AT_A_TIME = 4096


def draft_errors(models: PlanningModels, dataset: PreparedDataset) -> pd.DataFrame:
    """How far open-loop drafts are from what held-out episodes did next, told the returns that came.

    Returns:
        A row for each planned state but the present: `step`, from 1; `drafts`, how many episodes went on as
        long; `error`, the root mean square over drafts and dimensions; `spread`, that of a guess which knows
        nothing but the states' mean at that step. Both in standard deviations of the data; NaN, of 0 drafts,
        where no episode is held out, since drafts of training data say nothing.
    """
    history, horizon = models.history, models.horizon
    if held_out(dataset) == "train":
        unknown = {"drafts": 0, "error": math.nan, "spread": math.nan}
        return pd.DataFrame([{"step": step} | unknown for step in range(1, horizon)])
    windows = WindowSampler(
        dataset,
        history + horizon - 1,
        models.transformer.positions.device,
        split="validation",
        return_scale=models.return_scale,
        stride=models.stride,
    )
    chosen = torch.linspace(0, max(len(windows.starts) - 1, 0), min(len(windows.starts), DRAFTS)).long()
    states, returns_to_go, inside = windows.windows(chosen)
    tokens = torch.cat([states, returns_to_go[..., None]], dim=2)  # [n, history + H - 1, state + 1]
    padding = torch.zeros((), dtype=torch.long, device=tokens.device)
    with torch.inference_mode():
        drafted = models.transformer.draft(tokens[:, :history], padding, horizon - 1)
    rows = []
    for step in range(1, horizon):
        at = history - 1 + step
        actual, draft = (each[inside[:, at], at].double() for each in (states, drafted[..., :-1]))
        error, deviation = draft - actual, actual - actual.mean(dim=0)
        error, deviation = (float(each.square().mean().sqrt()) for each in (error, deviation))
        rows.append({"step": step, "drafts": len(actual), "error": error, "spread": deviation})
    return pd.DataFrame(rows)


def plan_signs(
    params: dict[str, Any],
    task: str,
    seed: int,
    dataset: PreparedDataset,
    models: PlanningModels,
    runtime: Runtime,
) -> pd.DataFrame:
    """What the plans of the run's planners have of the data, and of one another, in held-out situations.

    Returns:
        A row per planner: `planner`; `guidance`; `plan_distance` (see `spread`), and `distance_at_1`, the
        same with a weight of 1; `nearness`, how far plans are from the nearest window of the training data
        as a share of how far that is from what the held-out episode did: the median over situations of the
        median over plans. NaN is what has no meaning: guidance of what is not refined, nearness without
        held-out episodes.

    Raises:
        UserError: a planner has not been tuned.
    """
    rows, plans = [], []
    for name in params["run"]["planners"]:
        row, noise_seed = tuned_row(params, task, seed, name), derive_seed("diagnosis", seed, name)
        weight = row["guidance"] if row["refine_steps"] else math.nan
        made = {
            each: plans_in_situations(
                planner_of([row | {"guidance": each}], models, runtime, noise_seed), dataset
            )
            for each in {row["guidance"], 1.0 if row["refine_steps"] else row["guidance"]}
        }
        distances = {each: spread(plan)["plan_distance"] for each, plan in made.items()}
        plans.append(made[row["guidance"]].states)
        rows.append(
            {
                "planner": name,
                "guidance": weight,
                "plan_distance": distances[row["guidance"]],
                "distance_at_1": distances.get(1.0, math.nan),
            }
        )
    nearness = _nearness(torch.stack(plans), models, dataset)
    return pd.DataFrame(rows).assign(nearness=nearness)


def _nearness(plans: Tensor, models: PlanningModels, dataset: PreparedDataset) -> list[float]:
    """For each planner's plans [planners, situations x plans each, H, state], see `plan_signs`."""
    if held_out(dataset) == "train":
        return [math.nan] * len(plans)
    device = plans.device
    windows = WindowSampler(dataset, models.horizon, device, absorbing=True, stride=models.stride)
    present, _, last = situations(dataset, models.steps_read)
    observations = what_followed(dataset, present, last, models)  # [situations, H, obs]
    actual = torch.from_numpy(dataset.normaliser.normalise(observations)).to(device)
    nearest = nearest_windows(torch.cat([plans.flatten(0, 1), actual]), windows)
    known = nearest[-len(actual) :].double()  # [situations]
    own = nearest[: -len(actual)].unflatten(0, (len(plans), -1))  # [planners, situations x plans each]
    return [float((by_situation(each).median(dim=1).values / known).median()) for each in own]


def nearest_windows(plans: Tensor, windows: WindowSampler) -> Tensor:
    """Root mean square distance of each plan [n, H, state] to the nearest of all windows [n]."""
    flat = plans.flatten(1)
    least = torch.full_like(flat[:, 0], math.inf)
    nearest = torch.zeros_like(least, dtype=torch.long)
    for chosen in torch.arange(len(windows.starts), device=plans.device).split(WINDOWS_AT_A_TIME):
        distances, among = torch.cdist(flat, windows.windows(chosen)[0].flatten(1)).min(dim=1)  # each [n]
        closer = distances < least
        least, nearest = torch.where(closer, distances, least), torch.where(closer, chosen[among], nearest)
    # Of many at a time cdist is quick, but not exact where plans are copies.
    return (flat - windows.windows(nearest)[0].flatten(1)).square().mean(dim=1).sqrt()
