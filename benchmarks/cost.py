"""What the run of params.yaml takes, before it is started: `python benchmarks/cost.py`.

Times some training steps of every stage and some decisions of every planner on this machine, with noise of
Hopper's shape and untrained networks of the run's sizes, and multiplies: steps by training seeds and tasks,
decisions by episodes as long as they can be. Prints a table of hours, and what the weights take on disk.
Data, environments, latency and the report are left out.
"""

import argparse
import importlib
import math
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from preparation import prepare_it, write

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import computing_device, device_name
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.evaluation.cell import planner_of
from trajectory_diffuser.evaluation.untrained import untrained_models
from trajectory_diffuser.planning.choice import middle, settled
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.reporting.markdown import markdown_table
from trajectory_diffuser.training import run as training_run

STAGES = ("train_transformer", "train_diffusion", "train_inverse_dynamics", "train_value")
WARM_UP, DECISIONS = 3, 5


class Enough(BaseException):
    """Stops a stage."""


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
        write(Path(folder), 200, 1000)
        prepare_it(Path(folder), 200, 1000)
        Path("data/processed").mkdir(parents=True)
        Path("processed").rename(Path("data/processed") / task)
        rows, weights = [], 0
        policies = [("train_policy", name) for name in run["policies"]]
        for stage, *policy in [*((stage,) for stage in STAGES), *policies]:
            seconds, parameters = training_step(params, stage, task, policy, steps)
            settings = params[stage]
            weights += 4 * parameters * (1 + len(settings.get("keep_at", params["base_training"]["keep_at"])))
            each = seconds * settings["steps"] / 3600
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
    print(markdown_table(["job", "measured", "hours", f"hours of all {cells}"], table))
    print(f"\nWeights on disk: {cells * weights / 1e9:.1f} GB. {machine}; commit {commit}.")


def training_step(
    params: dict[str, Any], stage: str, task: str, policy: list[str], steps: int
) -> tuple[float, int]:
    """Seconds of a training step, forward, backward and optimiser, and how many parameters it trains."""
    kept: list[Any] = []

    def keep(model: torch.nn.Module, loss: Any, settings: dict[str, Any], *_: Any) -> None:
        kept.extend([model, loss, settings])
        raise Enough

    with patch.object(training_run, "train", keep), suppress(Enough):
        importlib.import_module(stage).main(params, task, 0, *policy)
    model, loss, settings = kept
    optimiser = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], fused=True)
    model.train()
    for step in range(WARM_UP + steps):
        if step == WARM_UP:
            started = time.perf_counter()
        value = loss(model, "train")
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        value.item()
    seconds = (time.perf_counter() - started) / steps
    return seconds, sum(parameter.numel() for parameter in model.parameters())


def decision(params: dict[str, Any], task: str, planner: str, device: torch.device) -> float:
    """Seconds of a decision for one of the environments that an evaluation has side by side."""
    dataset = PreparedDataset.load(f"data/processed/{task}")
    sizes = {key: params["tasks"][task][key] for key in ("horizon", "history")}
    models = untrained_models(params, dataset.normaliser, dataset.sizes["action_size"], device, **sizes)
    runtime = Runtime(params["planning"]["runtime"], params["planning"]["precision"], device)
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
