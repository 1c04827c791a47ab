"""An experiment: planners with some of their keys varied, in closed loop, and how much their plans differ."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.environments.ways import has_two_ways, way_shares
from trajectory_diffuser.evaluation.cell import planner_of, tuned_row
from trajectory_diffuser.evaluation.diversity import Plane, action_entropy, state_coverage
from trajectory_diffuser.evaluation.episodes import evaluate_episodes
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.evaluation.situations import plans_in_situations, spread
from trajectory_diffuser.evaluation.ways import starts
from trajectory_diffuser.planning.choice import distinct
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.runtime import Runtime


def points(row: Mapping[str, Any], vary: Mapping[str, list], diffusion_steps: int) -> list[dict[str, Any]]:
    """What is varied of a row: every combination that makes another planner, in the lists' order.

    They are the same for all seeds, whatever was chosen for each, as the row is not settled yet.

    Left out are no refinement of what is not a draft; from noise, a part of the chain, and some of the calls
    that ancestral sampling needs all of; more calls than the part of the chain has steps; and what makes no
    difference, such as guidance where nothing is refined.
    """
    combinations = [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
    return distinct(row, [point for point in combinations if _is_planner(row | point, diffusion_steps)])


def evaluate_points(
    params: dict[str, Any],
    task: str,
    seed: int,
    experiment: str,
    models: PlanningModels,
    runtime: Runtime,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Evaluate every point of an experiment, in the first of the evaluation's environments.

    What an experiment does not vary is as tuned. All points of a planner have the same seed of noise.

    Returns:
        A row per point: planner, what is varied, plan_distance and action_deviation (see `spread`),
        action_entropy and state_coverage (see `diversity`) and, where the data take detours, the shares of
        `WAYS` among plans as an episode begins; and one per episode: what `evaluate_episodes` says of it,
        planner, and what is varied.

    Raises:
        UserError: a planner has not been tuned.
    """
    settings = params["experiments"][experiment]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    plane, maze = Plane.of(dataset), None  # a maze of two ways
    if has_two_ways(params["tasks"][task]["source"]):
        maze = Maze.from_json(dataset.provenance["maze"])
    spreads, tables = [], []
    for name, row, point in _tuned_points(params, task, seed, experiment, models):
        make_planner = _maker(row, models, runtime, derive_seed("experiment", seed, name))
        where = {"planner": name} | point
        plan = plans_in_situations(make_planner(0), dataset)
        found = spread(plan)
        found["action_entropy"] = action_entropy(plan, models)
        found["state_coverage"] = state_coverage(plan, plane)
        if maze is not None:
            found |= way_shares(make_planner(0).plan(starts(dataset)), maze)
        spreads.append(where | found)
        title = ", ".join([f"{experiment}: {name}", *(f"{key} {value}" for key, value in point.items())])
        table, _ = evaluate_episodes(params, task, seed, title, make_planner, settings["episodes"])
        tables.append(table.assign(**where))
    return pd.DataFrame(spreads), pd.concat(tables, ignore_index=True)


def time_points(
    params: dict[str, Any],
    task: str,
    seed: int,
    experiment: str,
    models: PlanningModels,
    runtime: Runtime,
    observations: np.ndarray,
) -> pd.DataFrame:
    """Time a decision of every point at batch 1, side by side, as `measure_latency` says.

    `observations` are consecutive ones [N, obs] (see `SteadyState`).

    Returns:
        A row per point: planner, what is varied, `milliseconds` per decision.

    Raises:
        UserError: a planner has not been tuned.
    """
    latency, where, agents = params["measure_latency"], [], {}
    for name, row, point in _tuned_points(params, task, seed, experiment, models):
        agents[str(len(where))] = SteadyState(planner_of([row], models, runtime, 0), observations, 1)
        where.append({"planner": name} | point)
    measured = measure(agents, latency["warmup"], latency["repetitions"], runtime.device).values()
    return pd.DataFrame(where).assign(milliseconds=[1e3 / each["decisions_per_second"] for each in measured])


def _tuned_points(
    params: dict[str, Any], task: str, seed: int, experiment: str, models: PlanningModels
) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Of every point the planner, its row as tuned and varied, and what is varied."""
    settings = params["experiments"][experiment]
    for name in settings["planners"]:
        row = tuned_row(params, task, seed, name)
        untuned = params["planners"][name]
        for point in points(untuned, settings["vary"], models.diffusion.diffusion_steps):
            yield name, row | point, point


def _maker(
    row: dict[str, Any], models: PlanningModels, runtime: Runtime, noise_seed: int
) -> Callable[[int], Planner]:
    """Makes a fresh planner for a group of the episodes."""
    return lambda group: planner_of([row], models, runtime, noise_seed + group)


def _is_planner(row: Mapping[str, Any], diffusion_steps: int) -> bool:
    calls = diffusion_steps if row["refine_steps"] == "all" else row["refine_steps"]
    if row["start"] != "draft" and calls == 0:
        return False
    if row["start"] == "noise":
        return "last_steps" not in row and (calls == diffusion_steps or row["sampler"] == "ddim")
    return calls <= row.get("last_steps", calls)
