"""Measure how long each planner takes to decide, alone on the machine, and how that grows."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import computing_device, device_name
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.evaluation.cell import load_models, make_planner
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.evaluation.sweep import sweep
from trajectory_diffuser.planning.planner import Planner


def main(params: dict[str, Any], task: str) -> None:
    """Write results/runs/{task}/latency/ with the models of the first seed."""
    settings, seed = params["measure_latency"], params["run"]["seeds"][0]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    target = params["tasks"][task]["target_return"]
    rows = []
    with computing_device(params["run"]["device"], settings["threads"]) as device:
        models = load_models(params, task, seed, device)
        longest = max(settings["batches"] + settings["sweep"]["batches"]) + models.history
        observations = np.array(np.resize(dataset.observations, (longest, dataset.observation_size)))
        where = {"device": device.type, "threads": torch.get_num_threads()}
        for batch in settings["batches"]:
            agents = {}
            for name in params["run"]["planners"]:
                planner = make_planner(params, task, seed, name, models, device)
                agents[name] = SteadyState(Planner(planner, target, device), observations, batch)
            measured = measure(agents, settings["warmup"], settings["repetitions"], device)
            for name, row in measured.items():
                first = {"task": task, "planner": name, "batch": batch, **where}
                rows.append(first | row | {"repetitions": settings["repetitions"]})
        scaling = sweep(params, task, dataset.normaliser, observations, dataset.action_size, device)
        machine = {"device_name": device_name(device), **where}
    with atomic_directory(f"results/runs/{task}/latency") as directory:
        pd.DataFrame(rows).to_csv(directory / "latency.csv", index=False)
        scaling.to_csv(directory / "scaling.csv", index=False)
        record = machine | params["planning"] | {"versions": library_versions(), "commit": code_commit()}
        write_json(directory / "latency.json", record)


if __name__ == "__main__":
    run_stage(main, "task")
