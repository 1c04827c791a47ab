"""Measure how long each planner takes for a plan, alone on the machine."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from trajectory_diffuser.common.device import computing_device, device_name
from trajectory_diffuser.common.files import atomic_directory, write_json
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.evaluation.cell import load_models, make_planner
from trajectory_diffuser.evaluation.latency import network_calls, steady_state_inputs, time_plans


def main(params: dict[str, Any], task: str) -> None:
    """Write results/runs/{task}/latency/ with the models of the first seed."""
    settings, seed = params["measure_latency"], params["run"]["seeds"][0]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    rows = []
    with computing_device(params["run"]["device"], settings["threads"]) as device:
        models = load_models(task, seed, device)
        planners = {
            name: make_planner(params, task, seed, name, models, device) for name in params["run"]["planners"]
        }
        needed = max(settings["batches"]) + models.history + models.horizon
        states = torch.tensor(
            np.resize(dataset.observations, (needed, dataset.observation_size)), device=device
        )
        states = dataset.normaliser.normalise(states)
        target = params["tasks"][task]["target_return"] / models.return_scale
        for batch in settings["batches"]:
            for name, planner in planners.items():
                inputs = steady_state_inputs(planner, states, target, batch)
                seconds = time_plans(planner, inputs, settings["warmup"], settings["repetitions"])
                p50, p95 = np.quantile(seconds, [0.5, 0.95])
                row = {"task": task, "planner": name, "batch": batch, "device": device.type}
                row |= {"threads": torch.get_num_threads(), "p50_seconds": p50, "p95_seconds": p95}
                row |= {"network_calls": network_calls(planner), "repetitions": settings["repetitions"]}
                rows.append(row)
        machine = {"device_name": device_name(device), "threads": torch.get_num_threads()}
    with atomic_directory(f"results/runs/{task}/latency") as directory:
        pd.DataFrame(rows).to_csv(directory / "latency.csv", index=False)
        write_json(
            directory / "latency.json", machine | {"versions": library_versions(), "commit": code_commit()}
        )


if __name__ == "__main__":
    run_stage(main, "task")
