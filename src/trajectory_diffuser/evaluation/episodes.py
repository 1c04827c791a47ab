"""The evaluation of one planner or policy: its episodes, and what is written of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from trajectory_diffuser.common.params import planner_episodes
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.evaluation.rollout import joined, run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.planning.agent import Agent
from trajectory_diffuser.planning.runtime import Runtime


def evaluate(
    params: dict[str, Any],
    task: str,
    seed: int,
    name: str,
    settled: dict[str, Any],
    make_agent: Callable[[int], Agent],
    runtime: Runtime,
) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{name}/.

    Args:
        params: all parameters.
        task: name of the task.
        seed: training seed.
        name: of the planner or policy.
        settled: its row as `planner_row` or `policy_row`, and what it was asked for; to be recorded.
        make_agent: a fresh agent, for the group of that number of the episodes that run side by side.
        runtime: what the agents' networks run on.
    """
    settings, environment = params["evaluate"], params["tasks"][task]["environment"]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    maze = dataset.provenance["maze"]
    episodes = np.arange(planner_episodes(params, name))
    environment_seeds = settings["first_environment_seed"] + episodes
    groups = np.array_split(environment_seeds, math.ceil(len(episodes) / settings["batch_size"]))
    rollout = joined(
        [
            run_episodes(
                make_agent(number),
                environment,
                seeds.tolist(),
                None if maze is None else Maze.from_json(maze),
                f"{name} {task} seed {seed}, {number + 1} of {len(groups)}",
            )
            for number, seeds in enumerate(groups)
        ]
    )
    reference = dataset.provenance["reference_scores"]
    table = pd.DataFrame({"task": task, "seed": seed, "planner": name, "episode": episodes})
    table["environment_seed"] = environment_seeds
    table["return"] = rollout.returns
    table["normalised_score"] = normalised_score(rollout.returns, reference["minimum"], reference["maximum"])
    table["length"] = rollout.lengths
    table["success"] = pd.Series(rollout.successes).astype("Int64")  # written as 0, 1 or nothing
    table["wall_crossing_fraction"] = rollout.wall_crossing_fractions
    summary = {"task": task, "seed": seed, "planner": name} | settled
    summary |= {"episodes": len(episodes), "groups": len(groups)}
    summary |= {"device": runtime.device.type, "threads": torch.get_num_threads()}
    summary |= {"runtime": runtime.name, "precision": runtime.precision}
    summary |= {"versions": library_versions(), "commit": code_commit()}
    with atomic_directory(run_directory(task, seed) / "evaluation" / name) as directory:
        table.to_csv(directory / "episodes.csv", index=False)
        write_json(directory / "evaluation.json", summary)
        if rollout.plans:
            np.savez_compressed(directory / "plans.npz", **rollout.plans)
