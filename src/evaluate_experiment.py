"""Evaluate an experiment's planners with some of their keys varied, with the models of one seed."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.evaluation.cell import computed_on, loaded, run_directory
from trajectory_diffuser.evaluation.experiment import evaluate_points


def main(params: dict[str, Any], task: str, seed: int, experiment: str) -> None:
    """Write results/runs/{task}/seed{seed}/experiments/{experiment}/."""
    with loaded(params, task, seed, params["evaluate"]["threads"]) as (models, runtime):
        points, episodes = evaluate_points(params, task, seed, experiment, models, runtime)
        record = {"task": task, "seed": seed, "experiment": params["experiments"][experiment]}
        record |= computed_on(runtime)
    with atomic_directory(run_directory(task, seed) / "experiments" / experiment) as directory:
        points.to_csv(directory / "points.csv", index=False)
        episodes.to_csv(directory / "episodes.csv", index=False)
        write_json(directory / "experiment.json", record)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "experiment")
