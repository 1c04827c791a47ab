"""Episodes of one planner, policy or rival, as rows of a table, and what is written of an evaluation."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.cell import computed_on, run_directory, tuned_row
from trajectory_diffuser.evaluation.rollout import Rollout, joined, run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.planning.agent import Agent
from trajectory_diffuser.planning.choice import SECTIONS, TUNABLE, asked_return, kind_of
from trajectory_diffuser.planning.runtime import Runtime


def evaluate(
    params: dict[str, Any],
    task: str,
    seed: int,
    name: str,
    row: dict[str, Any],
    make_agent: Callable[[int], Agent],
    runtime: Runtime,
) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{name}/.

    `row` is to be recorded: what was evaluated and asked for, see `tuned_record`. Other arguments and errors
    as below.
    """
    episodes = params["evaluate"]["episodes"]
    table, rollout = evaluate_episodes(params, task, seed, name, make_agent, episodes)
    record = evaluation_record(task, seed, name, row, runtime)
    record |= {"episodes": episodes, "groups": math.ceil(episodes / params["evaluate"]["batch_size"])}
    with atomic_directory(run_directory(task, seed) / "evaluation" / name) as directory:
        table.to_csv(directory / "episodes.csv", index=False)
        write_json(directory / "evaluation.json", record)
        if rollout.plans:
            np.savez_compressed(directory / "plans.npz", **rollout.plans)


def evaluate_episodes(
    params: dict[str, Any],
    task: str,
    seed: int,
    name: str,
    make_agent: Callable[[int], Agent],
    episodes: int,
) -> tuple[pd.DataFrame, Rollout]:
    """Run a cell's first `episodes` evaluation episodes, at most `evaluate.batch_size` of them at once.

    Args:
        params: all parameters.
        task: name of the task.
        seed: training seed.
        name: of the planner, policy or rival.
        make_agent: a fresh agent, for the group of that number of the episodes that run side by side.
        episodes: how many.

    Returns:
        A row per episode, with its environment seed, return, normalised score and what else happened, and
        the rollout behind them.

    Raises:
        UserError: the data is missing, or the environment cannot be made.
    """
    settings, dataset = params["evaluate"], PreparedDataset.load(f"data/processed/{task}")
    maze, reference = dataset.provenance["maze"], dataset.provenance["reference_scores"]
    environment_seeds = settings["first_environment_seed"] + np.arange(episodes)
    groups = np.array_split(environment_seeds, math.ceil(episodes / settings["batch_size"]))
    rollout = joined(
        [
            run_episodes(
                make_agent(number),
                params["tasks"][task]["environment"],
                seeds.tolist(),
                None if maze is None else Maze.from_json(maze),
                f"{name} {task} seed {seed}, {number + 1} of {len(groups)}",
            )
            for number, seeds in enumerate(groups)
        ]
    )
    table = pd.DataFrame({"task": task, "seed": seed, "planner": name, "episode": np.arange(episodes)})
    table["environment_seed"] = environment_seeds
    table["return"] = rollout.returns
    scale = (reference["minimum"], reference["maximum"])
    table["normalised_score"] = normalised_score(rollout.returns, *scale, environment_seeds)
    table["length"] = rollout.lengths
    table["success"] = pd.Series(rollout.successes).astype("Int64")  # written as 0, 1 or nothing
    table["wall_crossing_fraction"] = rollout.wall_crossing_fractions
    table["shortest_way"] = pd.Series(rollout.shortest_ways).astype("Int64")
    return table, rollout


def tuned_record(params: dict[str, Any], task: str, seed: int, name: str) -> dict[str, Any]:
    """A planner's or policy's row, the values that were chosen for it, and the return that it asks for."""
    row = tuned_row(params, task, seed, name)
    best = PreparedDataset.load(f"data/processed/{task}").best_return
    kind = kind_of(params, name)
    record = {f"{kind}_row": params[SECTIONS[kind]][name]}
    record |= {"values": {key: row[key] for key in TUNABLE if key in row}}
    return record | {"target_return": asked_return(row["target_return"], best)}


def evaluation_record(
    task: str, seed: int, name: str, row: dict[str, Any], runtime: Runtime
) -> dict[str, Any]:
    """What was evaluated, `row` as of `evaluate`, and what its networks ran on."""
    return {"task": task, "seed": seed, "planner": name} | row | computed_on(runtime)
