"""A planner's episodes as rows of a table: what `evaluate` and `evaluate_training` have in common."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.rollout import Rollout, joined, run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.runtime import Runtime


def evaluate_episodes(
    params: dict[str, Any],
    task: str,
    seed: int,
    planner: str,
    make: Callable[[int], Planner],
    episodes: int,
) -> tuple[pd.DataFrame, Rollout]:
    """Run a cell's first `episodes` evaluation episodes, at most `evaluate.batch_size` of them at once.

    Args:
        params: all parameters.
        task: name of the task.
        seed: training seed.
        planner: name of the planner.
        make: a fresh planner for each group, by its number, of episodes that run at once.
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
                make(number),
                params["tasks"][task]["environment"],
                seeds.tolist(),
                None if maze is None else Maze.from_json(maze),
                f"{planner} {task} seed {seed}, {number + 1} of {len(groups)}",
            )
            for number, seeds in enumerate(groups)
        ]
    )
    table = pd.DataFrame({"task": task, "seed": seed, "planner": planner, "episode": np.arange(episodes)})
    table["environment_seed"] = environment_seeds
    table["return"] = rollout.returns
    table["normalised_score"] = normalised_score(rollout.returns, reference["minimum"], reference["maximum"])
    table["length"] = rollout.lengths
    table["success"] = pd.Series(rollout.successes).astype("Int64")  # written as 0, 1 or nothing
    table["wall_crossing_fraction"] = rollout.wall_crossing_fractions
    return table, rollout


def evaluation_record(
    params: dict[str, Any], task: str, seed: int, planner: str, runtime: Runtime
) -> dict[str, Any]:
    """What was evaluated, with which settings, on what."""
    record = {"task": task, "seed": seed, "planner": planner, "planner_row": params["planners"][planner]}
    record |= {key: params["tasks"][task][key] for key in ("guidance", "target_return")}
    record |= {"device": runtime.device.type, "threads": torch.get_num_threads()}
    record |= {"runtime": runtime.name, "precision": runtime.precision}
    return record | {"versions": library_versions(), "commit": code_commit()}
