"""Train one rival on one task with d3rlpy; runs in .venv-rivals (`make rivals`)."""

import time
from typing import Any

import torch

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.computing.times import write_times
from trajectory_diffuser.datasets.prepared import PreparedDataset


def main(params: dict[str, Any], task: str, seed: int, rival: str) -> None:
    """Write results/runs/{task}/seed{seed}/rivals/{rival}/."""
    from trajectory_diffuser.rivals.algorithms import acting_network, configuration, save, train

    steps, dataset = params["rivals"][rival]["steps"], PreparedDataset.load(f"data/processed/{task}")
    config = configuration(rival, params["tasks"][task], steps, dataset)
    random_seed = derive_seed("train_rival", rival, seed) % 2**32
    with computing_device(params["run"], params["base_training"]["threads"]) as device:
        started = time.perf_counter()
        algorithm = train(config, dataset, steps, random_seed, device, f"{rival} {task} seed {seed}")
        seconds = time.perf_counter() - started
        parameters = sum(each.numel() for each in acting_network(algorithm).parameters())
        record = {"parameters": parameters, "steps": steps}
        record |= {"device": device.type, "threads": torch.get_num_threads()}
        record |= {"data": dataset.provenance["content_hash"]}
        record |= {"versions": library_versions("d3rlpy", "torch", "numpy"), "commit": code_commit()}
        with atomic_directory(f"results/runs/{task}/seed{seed}/rivals/{rival}") as folder:
            write_json(folder / "config.json", save(algorithm, folder))
            write_json(folder / "training.json", record)
            write_times(folder, seconds=round(seconds, 1))


if __name__ == "__main__":
    run_stage(main, "task", "seed", "rival")
