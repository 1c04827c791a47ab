"""Train one rival on one task with d3rlpy; runs in .venv-rivals (`make rivals`)."""

import math
import sys
import time
from typing import Any

import d3rlpy
import torch
from tqdm import tqdm

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.rivals.algorithms import acting_network, configuration, save, training_episodes


def main(params: dict[str, Any], task: str, seed: int, rival: str) -> None:
    """Write results/runs/{task}/seed{seed}/rivals/{rival}/."""
    steps, dataset = params["rivals"][rival]["steps"], PreparedDataset.load(f"data/processed/{task}")
    with computing_device(params["run"]["device"], params["base_training"]["threads"]) as device:
        d3rlpy.seed(derive_seed("train_rival", rival, seed) % 2**32)
        bounds = dataset.provenance["action_bounds"]
        algorithm = configuration(rival, params["tasks"][task], steps, bounds).create(str(device))
        started = time.perf_counter()
        pause = 0.5 if sys.stderr.isatty() else 60  # seconds
        with tqdm(total=steps, desc=f"{rival} {task} seed {seed}", mininterval=pause) as progress:
            algorithm.fit(
                training_episodes(dataset),
                n_steps=steps,
                n_steps_per_epoch=math.gcd(steps, 1000),  # losses are printed so often
                logger_adapter=d3rlpy.logging.NoopAdapterFactory(),
                show_progress=False,
                callback=lambda *_: progress.update(),
            )
        seconds = time.perf_counter() - started
        with atomic_directory(run_directory(task, seed) / "rivals" / rival) as folder:
            write_json(folder / "config.json", save(algorithm, folder))
            parameters = sum(each.numel() for each in acting_network(algorithm).parameters())
            record = {"parameters": parameters, "steps": steps, "seconds": round(seconds, 1)}
            record |= {"device": device.type, "threads": torch.get_num_threads()}
            record |= {"data": dataset.provenance["content_hash"]}
            record |= {"versions": library_versions("d3rlpy", "torch", "numpy"), "commit": code_commit()}
            write_json(folder / "training.json", record)


if __name__ == "__main__":
    run_stage(main, "task", "seed", "rival")
