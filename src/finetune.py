"""Fine-tune a planner's networks online: it collects episodes, they train on with the data and these."""

import time
from typing import Any

import pandas as pd

import train_diffusion
import train_inverse_dynamics
import train_transformer
import train_value
from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.computing.times import write_times
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.evaluation.episodes import evaluation_record, tuned_record
from trajectory_diffuser.finetuning.rounds import Finetuning

STAGES = {
    "transformer": train_transformer,
    "diffusion": train_diffusion,
    "inverse_dynamics": train_inverse_dynamics,
    "value": train_value,
}


def main(params: dict[str, Any], task: str, seed: int, planner: str) -> None:
    """Write results/runs/{task}/seed{seed}/finetuning/{planner}/."""
    started = time.perf_counter()
    with computing_device(params["run"], params["finetune"]["threads"]) as device:
        finetuning = Finetuning(params, task, seed, planner, STAGES, device)
        finetuning.run()
        tuned = tuned_record(params, task, seed, planner)
        record = evaluation_record(task, seed, planner, tuned, finetuning.runtime)
    with atomic_directory(run_directory(task, seed) / "finetuning" / planner) as directory:
        for name in ("scores", "collected", "curves"):
            tables = getattr(finetuning, name) or [pd.DataFrame()]  # no curves where nothing is trained
            pd.concat(tables).to_csv(directory / f"{name}.csv", index=False)
        write_json(directory / "finetuning.json", record)
        write_times(directory, seconds=round(time.perf_counter() - started, 1))
    finetuning.forget()


if __name__ == "__main__":
    run_stage(main, "task", "seed", "planner")
