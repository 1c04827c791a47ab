"""What a decision takes when a planner waits for its turn: `python benchmarks/pause.py --run FOLDER`.

A robot decides once per control step, and other work fills the processor's caches between two decisions. Each
planner decides at batch 1, again and again, without and with a pause in between in which the processor spins
and touches no memory: what a pause adds is what others on the machine have driven out of its caches. The
planners take turns, block by block; a number is the median of all decisions, and in brackets the time that a
twentieth of them stays below. results/pause/pause.md has the table.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch
from tables import show

from trajectory_diffuser import Planner
from trajectory_diffuser.common.versions import code_commit
from trajectory_diffuser.computing.device import device_name
from trajectory_diffuser.reporting.markdown import markdown_table

PLANNERS = ["draft", "ddim_2", "ddim", "one_call", "trajectory_diffuser", "full_diffusion"]
PAUSES = [0, 2, 8]  # milliseconds; 8 is Hopper's control step
BLOCKS, DECISIONS = 10, 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", default="results/runs/hopper-medium-expert/seed0")
    folder = parser.parse_args().run
    torch.set_num_threads(1)
    planners = {name: Planner.load(folder, name) for name in PLANNERS}
    state = np.zeros(len(planners["draft"].units.normaliser.mean), dtype=np.float32)
    cells: dict[tuple[str, int], list[float]] = {(name, pause): [] for name in PLANNERS for pause in PAUSES}
    for block in range(BLOCKS + 1):
        for (name, pause), times in cells.items():
            seconds = [_decision(planners[name], state, pause) for _ in range(DECISIONS)]
            times.extend(seconds if block else [])  # the first block compiles
    rows = [[f"`{name}`", *(_shown(cells[name, pause]) for pause in PAUSES)] for name in PLANNERS]
    ratios = [
        np.median(cells["full_diffusion", p]) / np.median(cells["trajectory_diffuser", p]) for p in PAUSES
    ]
    rows.append(["`trajectory_diffuser`, of `full_diffusion`", *(f"{ratio:.1f}x" for ratio in ratios)])
    headers = ["planner", "no pause", *(f"{pause} ms" for pause in PAUSES[1:])]
    machine = device_name(torch.device("cpu"))
    about = f"{planners['draft'].units.task}, networks of one seed; {machine}; commit {code_commit()}."
    show("pause", markdown_table(headers, rows), about)


def _decision(planner: Planner, state: np.ndarray, pause: int) -> float:
    until = perf_counter() + pause / 1e3
    while perf_counter() < until:
        pass
    start = perf_counter()
    planner.act(state, 0.0)
    return perf_counter() - start


def _shown(seconds: list[float]) -> str:
    milliseconds = 1e3 * np.array(seconds)
    return f"{np.median(milliseconds):.3g} ({np.quantile(milliseconds, 0.05):.3g}) ms"


if __name__ == "__main__":
    main()
