"""Measure how long the points of an experiment take to decide, side by side, alone on the machine."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import device_name
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import computed_on, loaded
from trajectory_diffuser.evaluation.experiment import time_points


def main(params: dict[str, Any], task: str, experiment: str) -> None:
    """Write results/runs/{task}/experiment_latency/{experiment}/ with the models of the first seed."""
    seed = params["run"]["seeds"][0]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    with loaded(params, task, seed, params["measure_latency"]["threads"]) as (models, runtime):
        observations = dataset.first_observations(1 + models.history)
        table = time_points(params, task, seed, experiment, models, runtime, observations)
        machine = {"device_name": device_name(runtime.device)} | computed_on(runtime)
    with atomic_directory(f"results/runs/{task}/experiment_latency/{experiment}") as directory:
        table.to_csv(directory / "points.csv", index=False)
        write_json(directory / "experiment_latency.json", machine)


if __name__ == "__main__":
    run_stage(main, "task", "experiment")
