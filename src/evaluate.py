"""Evaluate one planner in closed loop on one task with the models of one seed."""

from functools import partial
from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.evaluation.cell import make_planner, run_directory
from trajectory_diffuser.evaluation.episodes import evaluate, tuned_record
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{planner}/."""
    cell = (params, task, seed, planner)
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        models = PlanningModels.load(run_directory(task, seed), device)
        runtime = Runtime.from_params(params, device)
        make_agent = partial(make_planner, *cell, models, runtime)
        evaluate(*cell, tuned_record(params, task, seed, planner), make_agent, runtime)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
