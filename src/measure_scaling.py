"""Measure how plan time grows, one quantity at a time, with untrained networks, alone on the machine."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device, device_name
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import computed_on
from trajectory_diffuser.evaluation.sweep import sweep
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str) -> None:
    """Write results/runs/{task}/scaling/."""
    settings = params["measure_scaling"]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    longest = max(settings["batches"]) + params["tasks"][task]["history"]
    observations = dataset.first_observations(longest)
    with computing_device(params["run"], settings["threads"]) as device:
        table = sweep(params, task, dataset.normaliser, observations, dataset.action_size, device)
        runtime = Runtime.from_params(params, device)
        machine = {"device_name": device_name(device)} | computed_on(runtime)
    with atomic_directory(f"results/runs/{task}/scaling") as directory:
        table.to_csv(directory / "scaling.csv", index=False)
        write_json(directory / "scaling.json", machine)


if __name__ == "__main__":
    run_stage(main, "task")
