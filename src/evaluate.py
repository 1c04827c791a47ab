"""Evaluate one planner in closed loop on one task with the models of one seed."""

from functools import partial
from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.evaluation.cell import loaded, make_planner
from trajectory_diffuser.evaluation.episodes import evaluate, tuned_record


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{planner}/."""
    cell = (params, task, seed, planner)
    with loaded(params, task, seed, params["evaluate"]["threads"]) as (models, runtime):
        make_agent = partial(make_planner, *cell, models, runtime)
        evaluate(*cell, tuned_record(params, task, seed, planner), make_agent, runtime)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
