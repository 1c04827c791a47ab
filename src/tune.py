"""Choose what a planner's row leaves to tuning, by trial episodes on a task with the models of one seed."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.evaluation.cell import loaded, planner_of
from trajectory_diffuser.evaluation.tuning import tune
from trajectory_diffuser.planning.planner import Planner


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/tuning/{planner}/."""
    noise_seed = derive_seed("tuning", seed, planner)
    with loaded(params, task, seed, params["tune"]["threads"]) as (models, runtime):

        def make_agent(rows: list[dict[str, Any]], batch: int) -> Planner:
            return planner_of(rows, models, runtime, noise_seed + batch)

        tune(params, task, seed, planner, params["planners"][planner], make_agent, runtime)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
