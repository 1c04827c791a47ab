"""Time and memory of preparing a large dataset: `python benchmarks/preparation.py`.

Writes a million Hopper steps of noise, once in episodes of 1000 and once of 100 steps, to a temporary folder,
and prepares them in processes of their own, whose peak memory is printed. The goal on two cores: 60 s, 2 GiB.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.minari_store import write_dataset
from trajectory_diffuser.collecting.preparation import prepare
from trajectory_diffuser.environments.environment import make_environment

HOPPER = {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 1000, "observation_keys": None}


def main() -> None:
    """Print a row per episode length and step."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1_000_000)
    steps = parser.parse_args().steps
    print(f"{'step':10} {'episodes':>8} {'seconds':>8} {'peak GiB':>9}")
    for length in (1000, 100):
        with tempfile.TemporaryDirectory() as folder:
            for name, work in (("write", write), ("prepare", prepare_it)):
                with get_context("spawn").Pool(1) as pool:
                    seconds, gibibytes = pool.apply(measured, (work, Path(folder), steps // length, length))
                print(f"{name:10} {steps // length:8} {seconds:8.1f} {gibibytes:9.2f}", flush=True)


def measured(work, folder: Path, count: int, length: int) -> tuple[float, float]:
    """Wall time and peak resident memory of this process when the work is done."""
    started = time.perf_counter()
    work(folder, count, length)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # from kB
    return time.perf_counter() - started, peak


def write(folder: Path, count: int, length: int) -> None:
    """A Minari dataset of noise."""
    record = {
        "reference_scores": {"minimum": 0.0, "maximum": 1.0},
        "environment": HOPPER,
        "source": {"kind": "file"},
        "algorithm": "noise",
        "licence": "none",
        "origin": {},
        "final_observations": True,
        "seed": 0,
        "versions": {},
    }
    write_dataset(folder / "raw", "noise", make_environment(HOPPER), episodes(count, length), record)


def episodes(count: int, length: int) -> Iterator[Episode]:
    """Observations as Hopper gives them: double precision."""
    generator = np.random.default_rng(0)
    for index in range(count):
        actions = generator.uniform(-1, 1, size=(length, 3)).astype(np.float32)
        yield Episode(generator.normal(size=(length + 1, 11)), actions, np.ones(length), index % 2 == 0)


def prepare_it(folder: Path, count: int, length: int) -> None:
    """What the stage prepare_dataset does."""
    prepare(folder / "raw", folder / "processed", "noise", HOPPER, validation_fraction=0.05, seed=0)


if __name__ == "__main__":
    main()
