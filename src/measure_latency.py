"""Measure how long the planners and policies of one seed take to decide, alone on the machine."""

from typing import Any

import pandas as pd

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import device_name
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import computed_on, loaded, make_planner, make_policy, run_directory
from trajectory_diffuser.evaluation.latency import SteadyState, measure
from trajectory_diffuser.planning.policy import PolicyModel


def main(params: dict[str, Any], task: str, seed: int) -> None:
    """Write results/runs/{task}/seed{seed}/latency/."""
    settings = params["measure_latency"]
    dataset = PreparedDataset.load(f"data/processed/{task}")
    rows = []
    with loaded(params, task, seed, settings["threads"]) as (models, runtime):
        device = runtime.device
        policies = {
            name: PolicyModel.load(run_directory(task, seed), name, device)
            for name in params["run"]["policies"]
        }
        observations = dataset.first_observations(max(settings["batches"]) + models.history)
        machine = {"device_name": device_name(device)} | computed_on(runtime)
        where = {key: machine[key] for key in ("device", "threads", "runtime")}
        for batch in sorted(settings["batches"]):  # rising, so that none is padded to a larger one
            agents = {
                name: make_planner(params, task, seed, name, models, runtime)
                for name in params["run"]["planners"]
            }
            for name, model in policies.items():
                agents[name] = make_policy(params, task, seed, name, model, runtime)
            states = {name: SteadyState(agent, observations, batch) for name, agent in agents.items()}
            measured = measure(states, settings["warmup"], settings["repetitions"], device)
            for name, row in measured.items():
                first = {"task": task, "seed": seed, "planner": name, "batch": batch, **where}
                rows.append(first | row | {"repetitions": settings["repetitions"]})
    with atomic_directory(run_directory(task, seed) / "latency") as directory:
        pd.DataFrame(rows).to_csv(directory / "latency.csv", index=False)
        write_json(directory / "latency.json", machine)


if __name__ == "__main__":
    run_stage(main, "task", "seed")
