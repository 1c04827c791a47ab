"""Evaluate one planner in closed loop on one task with the models of one seed."""

import math
from typing import Any

import numpy as np
import pandas as pd
import torch

from trajectory_diffuser.common.params import planner_episodes
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.cell import make_planner, run_directory
from trajectory_diffuser.evaluation.rollout import joined, run_episodes
from trajectory_diffuser.evaluation.scores import normalised_score
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{planner}/."""
    settings, task_settings = params["evaluate"], params["tasks"][task]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    maze = dataset.provenance["maze"]
    episodes = np.arange(planner_episodes(params, planner))
    environment_seeds = settings["first_environment_seed"] + episodes
    groups = np.array_split(environment_seeds, math.ceil(len(episodes) / settings["batch_size"]))
    rollouts = []
    with computing_device(params["run"]["device"], settings["threads"]) as device:
        models = PlanningModels.load(run_directory(task, seed), device)
        runtime = Runtime(params["planning"]["runtime"], params["planning"]["precision"], device)
        for number, seeds in enumerate(groups):
            rollouts.append(
                run_episodes(
                    make_planner(params, task, seed, planner, models, runtime, number),
                    task_settings["environment"],
                    seeds.tolist(),
                    None if maze is None else Maze.from_json(maze),
                    f"{planner} {task} seed {seed}, {number + 1} of {len(groups)}",
                )
            )
    rollout = joined(rollouts)
    reference = dataset.provenance["reference_scores"]
    table = pd.DataFrame({"task": task, "seed": seed, "planner": planner, "episode": episodes})
    table["environment_seed"] = environment_seeds
    table["return"] = rollout.returns
    table["normalised_score"] = normalised_score(rollout.returns, reference["minimum"], reference["maximum"])
    table["length"] = rollout.lengths
    table["success"] = pd.Series(rollout.successes).astype("Int64")  # written as 0, 1 or nothing
    table["wall_crossing_fraction"] = rollout.wall_crossing_fractions
    summary = {"task": task, "seed": seed, "planner": planner, "planner_row": params["planners"][planner]}
    summary |= {key: task_settings[key] for key in ("guidance", "target_return")}
    summary |= {"episodes": len(episodes), "groups": len(groups)}
    summary |= {"device": device.type, "threads": torch.get_num_threads()}
    summary |= {"runtime": runtime.name, "precision": runtime.precision}
    summary |= {"versions": library_versions(), "commit": code_commit()}
    with atomic_directory(run_directory(task, seed) / "evaluation" / planner) as directory:
        table.to_csv(directory / "episodes.csv", index=False)
        write_json(directory / "evaluation.json", summary)
        np.savez_compressed(directory / "plans.npz", **rollout.plans)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
