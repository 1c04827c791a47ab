"""Time of a training step: `python benchmarks/training.py`.

Every stage trains on noise of Hopper's shape with its shipped parameters, until ten rows of its curves are
written. Each row's steps, as the stage takes them (batches, seeds, clipping, averaging, curves), are compared
with bare ones (forward, backward, fused optimiser) on one batch that stays: the goal on a CPU is at most 1.15
times their time. Bare steps with `compile: true` and with `precision: bfloat16` are compared with the plain
ones. All take turns, and medians are printed, so a busy machine disturbs little; validation and checkpoints,
which fall into few rows, do not count.
"""

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # for the seconds that compiling takes the first time

import torch
from preparation import prepare_it, write

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import device_name
from trajectory_diffuser.datasets.windows import TransitionSampler, WindowSampler
from trajectory_diffuser.training import run as training_run

STAGES = ("train_transformer", "train_diffusion", "train_inverse_dynamics", "train_value")
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "compiled": {"compile": True},
    "bfloat16": {"precision": "bfloat16"},
}
TASK = "hopper-medium-expert"
BARE_STEPS = 20  # that follow each row
FIXED_BATCH = {sampler: cache(sampler.sample) for sampler in (TransitionSampler, WindowSampler)}


class Enough(BaseException):
    """Stops a stage."""


def main() -> None:
    """Print a row per stage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10, help="rows of the curves that are timed")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    arguments = parser.parse_args()
    params, commit = load_params(), code_commit()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        prepare_noise(TASK)
        head = f"{'bare ms':>8} {'step ms':>8} {'ratio':>6} {'compiled':>9} {'after s':>8} {'bfloat16':>9}"
        print(f"{'stage':22} {head}  device, threads, torch, commit")
        for stage in arguments.stages:
            print(f"{stage:22} {measured(params, stage, arguments.rows)}, {commit}", flush=True)
        os.chdir("/")


def measured(params: dict[str, Any], stage: str, rows: int) -> str:
    """Everything about one stage."""
    bare = {name: bare_steps(params, stage, changes)[0] for name, changes in VARIANTS.items()}
    starting = {name: seconds_per_step(step, 1) for name, step in bare.items()}
    times: dict[str, list[float]] = {name: [] for name in ("stage", *bare)}
    turns, facts = deque(bare), ""

    def train(model, loss, settings, seed, checkpoint, log, *rest) -> None:
        nonlocal facts
        device = next(model.parameters()).device
        facts = f"{device_name(device)}, {torch.get_num_threads()}, {torch.__version__}"
        done, started = 0, time.perf_counter()

        def timed_log(row) -> None:
            nonlocal done, started
            log(row)
            times["stage"].append((time.perf_counter() - started) / (row["step"] - done))
            for name in turns:
                times[name].append(seconds_per_step(bare[name], BARE_STEPS))
            turns.rotate()
            if len(times["stage"]) > rows:
                raise Enough
            done, started = row["step"], time.perf_counter()

        unpatched(model, loss, settings, seed, checkpoint, timed_log, *rest)

    unpatched = training_run.train
    run(params, stage, train)
    times = {name: values[1:] for name, values in times.items()}  # the first row warms up

    def ratio(name: str) -> float:
        return median(a / b for a, b in zip(times[name], times["plain"], strict=True))

    milliseconds = " ".join(f"{1000 * median(times[name]):8.2f}" for name in ("plain", "stage"))
    compiling = f"{ratio('compiled'):9.2f} {starting['compiled']:8.1f}"
    return f"{milliseconds} {ratio('stage'):6.2f} {compiling} {ratio('bfloat16'):9.2f}  {facts}"


def prepare_noise(task: str) -> None:
    """Noise of Hopper's shape as a task's data, in the current folder."""
    write(Path(), 200, 1000)
    prepare_it(Path(), 200, 1000)
    Path("data/processed").mkdir(parents=True)
    Path("processed").rename(Path("data/processed") / task)


def bare_steps(
    params: dict[str, Any], stage: str, changes: dict[str, Any], task: str = TASK, policy: Sequence[str] = ()
) -> tuple[Callable[[], torch.Tensor], torch.nn.Module]:
    """A function that takes one bare step with the stage's network and loss, and the network."""
    arguments: list[Any] = []

    def keep(*given) -> None:
        arguments.extend(given)
        raise Enough

    run(params | {stage: params[stage] | changes}, stage, keep, task, policy)
    model, loss, settings, *_ = arguments
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"], fused=True
    )
    model.train()

    def step() -> torch.Tensor:
        value = loss(model, "train")
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        return value.detach()

    return step, model


def run(
    params: dict[str, Any],
    stage: str,
    train: Callable[..., None],
    task: str = TASK,
    policy: Sequence[str] = (),
) -> None:
    """Run a stage up to where it trains, which is left to `train`, who raises `Enough`."""
    try:
        with patch.object(training_run, "train", train):
            importlib.import_module(stage).main(params, task, 0, *policy)
    except Enough:
        pass


def seconds_per_step(step: Callable[[], torch.Tensor], steps: int) -> float:
    """Mean wall time of bare steps, with a GPU's work done."""
    with (
        patch.object(TransitionSampler, "sample", FIXED_BATCH[TransitionSampler]),
        patch.object(WindowSampler, "sample", FIXED_BATCH[WindowSampler]),
    ):
        started = time.perf_counter()
        for _ in range(steps):
            value = step()
        value.item()
        return (time.perf_counter() - started) / steps


if __name__ == "__main__":
    main()
