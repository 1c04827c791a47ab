"""Evaluate one planner in closed loop on one task with the models of one seed."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.evaluation.cell import make_planner, run_directory, tuned_row
from trajectory_diffuser.evaluation.episodes import evaluate
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/evaluation/{planner}/."""
    row = tuned_row(params, task, "planners", planner)
    noise_seed = derive_seed("planner", task, seed, planner)
    with computing_device(params["run"]["device"], params["evaluate"]["threads"]) as device:
        models = PlanningModels.load(run_directory(task, seed), device)
        runtime = Runtime(params["planning"]["runtime"], params["planning"]["precision"], device)

        def make_agent(group: int) -> Planner:
            return make_planner([row], models, runtime, noise_seed + group)

        evaluate(params, task, seed, planner, {"planner_row": params["planners"][planner]}, row, make_agent)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
