"""The tuning of one planner or policy on one task: trial episodes over its grid, and the choice."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.computing.times import write_times
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import computed_on, tuning_directory
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.planning.agent import Agent
from trajectory_diffuser.planning.choice import TUNABLE, asked_return, branches, middle, settled, tried
from trajectory_diffuser.planning.runtime import Runtime

RULE = (
    "the finalist with the highest mean score over all its episodes; what is within equal_within points of "
    "the highest counts as equal, then guidance that takes fewer branches of the denoiser goes before, then "
    "the higher score, then the order of the grid"
)
TRIAL_COLUMNS = ("environment_seed", "return", "normalised_score")


def tune(
    params: dict[str, Any],
    task: str,
    seed: int,
    name: str,
    row: dict[str, Any],
    make_agent: Callable[[list[dict[str, Any]], int], Agent],
    runtime: Runtime,
) -> None:
    """Write `tuning_directory`: `trials.csv`, a row per episode, and `choice.json`.

    Successive halving in two rounds (Jamieson and Talwalkar 2016, arXiv 1502.07943): one half of the episodes
    goes to all points of the grid alike, the other to the best of them, the finalists. In a round all points
    have the same environments. A planner is not to take twice the time for a gain that so few episodes
    cannot show: in both rounds what is hardly worse than the best goes before it if its guidance costs half.
    Where nothing is to be tuned, nothing that makes a difference, or nothing that there is a choice of, there
    are no trials.

    Args:
        params: all parameters; `tune` is the protocol.
        task: name of the task.
        seed: training seed of the models.
        name: of the planner or policy.
        row: its complete row.
        make_agent: a fresh agent for settled rows, one per environment, that differ as `_batches` says;
            and the number of their batch.
        runtime: what the agents' networks run on.
    """
    settings, environment = params["tune"], params["tasks"][task]["environment"]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    reference = dataset.provenance["reference_scores"]
    grid = tried(row, settings["grid"])
    usual = settled(row, middle(settings["grid"]))
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    tried_points = points if len(points) > 1 else []
    left, next_seed = tried_points, settings["first_environment_seed"]
    tables, started = [], time.perf_counter()
    for which in ("all points", "finalists") if tried_points else ():
        each = settings["episodes"] // 2 // len(left)
        seeds, next_seed = list(range(next_seed, next_seed + each)), next_seed + each
        for batch in _batches(usual, left):
            title = f"{name} {task} seed {seed}, tuning, {len(batch)} of {which}"
            agent = make_agent([usual | point for point in batch for _ in seeds], len(tables))
            rollout = run_episodes(agent, environment, seeds * len(batch), None, title)
            table = pd.DataFrame([point for point in batch for _ in seeds])
            table["environment_seed"], table["return"] = seeds * len(batch), rollout.returns
            tables.append(table)
        trials = pd.concat(tables, ignore_index=True)
        trials["normalised_score"] = normalised_score(
            trials["return"].to_numpy(),
            reference["minimum"],
            reference["maximum"],
            trials["environment_seed"].to_numpy(),
        )
        left = _best_first(usual, left, trials, settings["equal_within"])[: settings["finalists"]]
    if not tried_points:
        trials = pd.DataFrame(columns=TRIAL_COLUMNS)
    seconds = time.perf_counter() - started
    chosen = usual | (left[0] if left else points[0])
    choice = {
        "task": task,
        "planner": name,
        "values": {key: chosen[key] for key in TUNABLE if key in row},
        "target_return": asked_return(chosen["target_return"], dataset.best_return),
        "best_return_in_data": dataset.best_return,
        "row": row,
        "grid": grid,
        "scores": [_summary(trials, point) for point in tried_points],
        "score": _summary(trials, left[0])["score"] if left else None,
        "rule": RULE,
        "equal_within": settings["equal_within"],
        "episodes": len(trials),
        "first_environment_seed": settings["first_environment_seed"],
        "seed": seed,
    } | computed_on(runtime)
    with atomic_directory(tuning_directory(params, task, seed, name)) as directory:
        trials.to_csv(directory / "trials.csv", index=False)
        write_json(directory / "choice.json", choice)
        write_times(directory, seconds=round(seconds, 1))


def _best_first(
    usual: dict[str, Any], points: list[dict[str, float]], trials: pd.DataFrame, margin: float
) -> list[dict[str, float]]:
    """The points in the order of RULE."""
    means = [_scores(trials, point).mean() for point in points]

    def rank(index: int) -> tuple[float, ...]:
        equal = means[index] >= max(means) - margin
        return not equal, branches(usual | points[index]) if equal else 0, -means[index]

    return [points[index] for index in sorted(range(len(points)), key=rank)]  # stable: the grid's order


def _batches(usual: dict[str, Any], points: list[dict[str, float]]) -> list[list[dict[str, float]]]:
    """The points in batches whose environments can be planned for side by side.

    These share all but target return and temperature. With several candidates a temperature of 0 is a batch
    of its own: without noise only one of them is planned.
    """
    batches: dict[Any, list[dict[str, float]]] = {}
    for row, point in ((usual | point, point) for point in points):
        alone = row.get("candidates", 1) > 1 and row["temperature"] == 0
        batches.setdefault((row.get("guidance"), alone), []).append(point)
    return list(batches.values())


def _summary(trials: pd.DataFrame, point: dict[str, float]) -> dict[str, Any]:
    scores = _scores(trials, point)
    return {"values": point, "score": float(scores.mean()), "episodes": len(scores)}


def _scores(trials: pd.DataFrame, point: dict[str, float]) -> pd.Series:
    """Of a point's episodes so far."""
    there = np.logical_and.reduce([trials[key] == value for key, value in point.items()])
    return trials.loc[there, "normalised_score"]
