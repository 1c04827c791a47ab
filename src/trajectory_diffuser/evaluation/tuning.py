"""The tuning of one planner or policy on one task: trial episodes over its grid, and the choice."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.evaluation.cell import tuning_directory
from trajectory_diffuser.evaluation.episodes import computed_on
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.planning.agent import Agent
from trajectory_diffuser.planning.choice import TUNABLE, asked_return, middle, settled, tried
from trajectory_diffuser.planning.runtime import Runtime

RULE = "the highest mean score over a point's episodes; of equal ones the first in the grid's order"
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
    """Write results/runs/{task}/seed{seed}/tuning/{name}/: `trials.csv`, a row per episode, `choice.json`.

    Every point of the grid has the same environments. Where nothing is to be tuned, or nothing that makes a
    difference, there are no trials.

    Args:
        params: all parameters; `tune` is the protocol.
        task: name of the task.
        seed: training seed of the models.
        name: of the planner or policy.
        row: its complete row.
        make_agent: a fresh agent for settled rows, one per environment, that differ as `_side_by_side` says;
            and the number of their batch.
        runtime: what the agents' networks run on.
    """
    settings = params["tune"]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    grid = tried(row, settings["grid"])
    usual = settled(row, middle(settings["grid"]))
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    each = settings["episodes"] // len(points)
    seeds = [settings["first_environment_seed"] + episode for episode in range(each)]
    batches: dict[Any, list[dict[str, float]]] = {}
    for point in points if grid else []:
        batches.setdefault(_side_by_side(usual | point), []).append(point)
    trials, started = [], time.perf_counter()
    for number, batch in enumerate(batches.values()):
        title = f"{name} {task} seed {seed}, tuning batch {number + 1} of {len(batches)}"
        rows = [usual | point for point in batch for _ in seeds]
        environment = params["tasks"][task]["environment"]
        rollout = run_episodes(make_agent(rows, number), environment, seeds * len(batch), None, title)
        table = pd.DataFrame([point for point in batch for _ in seeds])
        table["environment_seed"], table["return"] = seeds * len(batch), rollout.returns
        trials.append(table)
    seconds = time.perf_counter() - started
    columns = [*grid, *TRIAL_COLUMNS]
    table = pd.concat(trials) if trials else pd.DataFrame(columns=columns)
    reference = dataset.provenance["reference_scores"]
    table["normalised_score"] = normalised_score(table["return"], reference["minimum"], reference["maximum"])
    scores = [{"values": point, "score": _mean_score(table, point)} for point in points] if grid else []
    # The first of equal ones: that is what max returns.
    best = max(scores, key=lambda scored: scored["score"], default={"values": {}, "score": None})
    chosen = usual | best["values"]
    choice = {
        "task": task,
        "planner": name,
        "values": {key: chosen[key] for key in TUNABLE if key in row},
        "target_return": asked_return(chosen["target_return"], dataset.best_return),
        "best_return_in_data": dataset.best_return,
        "row": row,
        "grid": grid,
        "scores": scores,
        "score": best["score"],
        "rule": RULE,
        "episodes": len(table),
        "episodes_per_point": each if grid else 0,
        "first_environment_seed": settings["first_environment_seed"],
        "seed": seed,
        "seconds": round(seconds, 1),
    } | computed_on(runtime)
    with atomic_directory(tuning_directory(task, seed, name)) as directory:
        table[columns].to_csv(directory / "trials.csv", index=False)
        write_json(directory / "choice.json", choice)


def _side_by_side(row: dict[str, Any]) -> tuple[Any, ...]:
    """What environments share that are planned for in one batch.

    All but target return and temperature, but of several candidates one is left at temperature 0.
    """
    return row.get("guidance"), row.get("candidates", 1) > 1 and row["temperature"] == 0


def _mean_score(trials: pd.DataFrame, point: dict[str, float]) -> float:
    there = np.logical_and.reduce([trials[key] == value for key, value in point.items()])
    return float(trials.loc[there, "normalised_score"].mean())
