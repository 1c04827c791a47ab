"""Several processes for one training job, each with its own device and its own batches (data parallelism).

The processes are copies of the same command, with the environment variables that torch.distributed reads. All
begin with the same weights, average their gradients before every optimiser step, and so stay the same; the
first one alone writes anything.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from trajectory_diffuser.computing.device import computing_devices, use_threads

DEVICE = "TRAJECTORY_DIFFUSER_DEVICE"  # of a further process


def further_process() -> torch.device | None:
    """The device of this process if another one started it to share its job, else None."""
    return torch.device(os.environ[DEVICE]) if DEVICE in os.environ else None


@contextmanager
def training_devices(run: dict[str, Any], threads: int) -> Iterator[list[torch.device]]:
    """The devices of a training job, this process's own first; of a further process its own alone.

    Args:
        run: the section of the parameters.
        threads: of each process.
    """
    own = further_process()
    if own is None:
        with computing_devices(run["device"], threads, run["processes_per_training"]) as devices:
            yield devices
    else:
        use_threads(threads)
        yield [own]


@contextmanager
def sharing(devices: list[torch.device]) -> Iterator[None]:
    """Share the job with a process on each of `devices` but the first, which is this process's own.

    In a further process `devices` is its own device alone, and it joins those that are there.
    """
    if further_process() is None and len(devices) == 1:
        yield
        return
    others: list[subprocess.Popen[bytes]] = []
    if further_process() is None:
        count = str(len(devices))
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port(), "WORLD_SIZE": count}
        for rank, device in enumerate(devices[1:], 1):
            environment = os.environ | {"RANK": str(rank), DEVICE: str(device)}
            others.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
        os.environ["RANK"] = "0"
    try:
        if devices[0].type == "cuda":
            torch.cuda.set_device(devices[0])
        torch.distributed.init_process_group("nccl" if devices[0].type == "cuda" else "gloo")
        yield
        torch.distributed.barrier()
    finally:
        for process in others:
            process.terminate()
            process.wait()
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def rank() -> int:
    """The number of this process among those that share its job; 0 is the one that writes."""
    return torch.distributed.get_rank() if torch.distributed.is_initialized() else 0


def average_over_processes(gradient: Tensor) -> None:
    """Replace a gradient by its mean over the processes; nothing happens where there is one."""
    if torch.distributed.is_initialized():
        torch.distributed.all_reduce(gradient)
        gradient /= torch.distributed.get_world_size()


def _free_port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])
