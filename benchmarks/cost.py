"""What the run of params.yaml takes, before it is started: `python benchmarks/cost.py`.

Times some training steps of every stage and some decisions of every planner on this machine, with noise of
Hopper's shape and untrained networks of the run's sizes, and multiplies: steps by training seeds and tasks,
decisions by episodes as long as they can be. Prints a table of hours, and what the weights take on disk,
which results/cost/cost.md has too. Data, environments, latency and the report are left out.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from tables import show
from training import STAGES, bare_steps, prepare_noise, seconds_per_step

from trajectory_diffuser.common.completion import for_task
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import computing_device, device_name
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import planner_of
from trajectory_diffuser.evaluation.untrained import untrained_models
from trajectory_diffuser.planning.choice import middle, settled
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.reporting.markdown import markdown_table

WARM_UP, DECISIONS = 3, 5


def main() -> None:
    """Print the table."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--steps", type=int, default=30, help="training steps that are timed")
    steps, params, commit = parser.parse_args().steps, load_params(), code_commit()
    run = params["run"]
    task, cells = run["tasks"][0], len(run["tasks"]) * len(run["seeds"])
    with tempfile.TemporaryDirectory() as folder, computing_device(run, 1) as device:
        os.chdir(folder)
        prepare_noise(task)
        rows, weights = [], 0
        policies = [("train_policy", name) for name in run["policies"]]
        for stage, *policy in [*((stage,) for stage in STAGES), *policies]:
            step, model = bare_steps(params, stage, {}, task, policy)
            seconds_per_step(step, WARM_UP)
            seconds = seconds_per_step(step, steps)
            parameters = sum(parameter.numel() for parameter in model.parameters())
            weights += 4 * parameters * (1 + len(params["base_training"]["keep_at"]))
            lengths = [for_task(params, name)[stage]["steps"] for name in run["tasks"]]
            each = seconds * float(np.mean(lengths)) / 3600
            rows.append([" ".join([stage, *policy]), f"{1000 * seconds:.1f} ms a step", each])
        longest = [params["tasks"][each]["environment"]["max_episode_steps"] for each in run["tasks"]]
        for planner in run["planners"]:
            seconds = decision(params, task, planner, device)
            episodes = params["tune"]["episodes"] + params["evaluate"]["episodes"]
            each = seconds * episodes * float(np.mean(longest)) / 3600
            rows.append([f"tune, evaluate {planner}", f"{1000 * seconds:.1f} ms a decision", each])
        machine = f"{device_name(device)}, {torch.get_num_threads()} thread, torch {torch.__version__}"
        os.chdir("/")
    total = cells * sum(each for *_, each in rows)
    table = [[name, rate, _hours(each), _hours(cells * each)] for name, rate, each in rows]
    table.append(["all", "", _hours(total / cells), _hours(total)])
    hours = markdown_table(["job", "measured", "hours", f"hours of all {cells}"], table)
    show("cost", hours, f"Weights on disk: {cells * weights / 1e9:.1f} GB. {machine}; commit {commit}.")


def decision(params: dict[str, Any], task: str, planner: str, device: torch.device) -> float:
    """Seconds of a decision for one of the environments that an evaluation has side by side."""
    dataset = PreparedDataset.load(f"data/processed/{task}")
    sizes = {key: params["tasks"][task][key] for key in ("horizon", "history")}
    models = untrained_models(params, dataset.normaliser, dataset.sizes["action_size"], device, **sizes)
    runtime = Runtime.from_params(params, device)
    row = settled(params["planners"][planner], middle(params["tune"]["grid"]))
    acting = planner_of([row], models, runtime, 0)
    settings = params["evaluate"]
    batch = math.ceil(settings["episodes"] / math.ceil(settings["episodes"] / settings["batch_size"]))
    observations = np.zeros((batch, dataset.sizes["state_size"]), np.float32)
    for step in range(WARM_UP + DECISIONS):
        if step == WARM_UP:
            started = time.perf_counter()
        acting.act(observations)
    return (time.perf_counter() - started) / DECISIONS / batch


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


if __name__ == "__main__":
    main()
