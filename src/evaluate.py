"""Evaluate one planner in closed loop on one task with the models of one seed."""

import math
from functools import partial
from typing import Any

import numpy as np

from trajectory_diffuser.common.params import planner_episodes
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.evaluation.cell import make_planner, run_directory
from trajectory_diffuser.evaluation.episodes import evaluate_episodes, evaluation_record
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{planner}/."""
    settings, episodes = params["evaluate"], planner_episodes(params, planner)
    with computing_device(params["run"]["device"], settings["threads"]) as device:
        models = PlanningModels.load(run_directory(task, seed), device)
        runtime = Runtime(params["planning"]["runtime"], params["planning"]["precision"], device)
        make = partial(make_planner, params, task, seed, planner, models, runtime)
        table, rollout = evaluate_episodes(params, task, seed, planner, make, episodes)
        record = evaluation_record(params, task, seed, planner, runtime)
    record |= {"episodes": episodes, "groups": math.ceil(episodes / settings["batch_size"])}
    with atomic_directory(run_directory(task, seed) / "evaluation" / planner) as directory:
        table.to_csv(directory / "episodes.csv", index=False)
        write_json(directory / "evaluation.json", record)
        np.savez_compressed(directory / "plans.npz", **rollout.plans)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
