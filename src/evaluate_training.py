"""Evaluate one planner with its networks as they were earlier, all after the same share of their training."""

from functools import partial
from typing import Any

import pandas as pd

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.evaluation.cell import make_planner, run_directory
from trajectory_diffuser.evaluation.episodes import evaluate_episodes, evaluation_record, tuned_record
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/training_scores/{planner}/."""
    if not params["base_training"]["keep_at"]:
        raise UserError("params.yaml: base_training.keep_at: [], so no earlier weights are kept")
    cell, episodes = (params, task, seed, planner), params["evaluate_training"]["episodes"]
    row, tables = tuned_record(params, task, seed, planner), []  # what is damaged is seen before any episode
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        for fraction in params["base_training"]["keep_at"]:
            models = PlanningModels.load(run_directory(task, seed), device, fraction)
            runtime = Runtime.from_params(params, device)
            make_agent = partial(make_planner, *cell, models, runtime)
            table, _ = evaluate_episodes(*cell, make_agent, episodes)
            tables.append(table.assign(fraction=fraction))
        record = evaluation_record(task, seed, planner, row, runtime)
        record["networks"] = make_agent().trajectory_planner.settings.networks
    with atomic_directory(run_directory(task, seed) / "training_scores" / planner) as directory:
        pd.concat(tables).to_csv(directory / "scores.csv", index=False)
        write_json(directory / "training_scores.json", record)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
