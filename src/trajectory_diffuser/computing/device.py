"""Where and with how many threads a stage computes."""

import os
import platform
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from trajectory_diffuser.common.errors import UserError


def device_type(requested: str) -> str:
    """Resolve run.device (`auto`, `cpu` or `cuda`) to `cpu` or `cuda`."""
    if requested == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if requested == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: run.device: cuda, but torch sees no GPU; use auto or cpu")
    return requested


def check_compiler(key: str, wanted: bool, device: str) -> None:
    """Raise `UserError` about `key` where compiling is wanted, but a CPU's code cannot be compiled here."""
    compiler = os.environ.get("CXX", "g++")
    if wanted and device == "cpu" and shutil.which(shlex.split(compiler)[0]) is None:
        raise UserError(
            f"{key}: true needs a C++ compiler, but there is no {compiler}; "
            "install g++, name another in CXX, or use false"
        )


def available_cores() -> int:
    """The processors this process may run on."""
    return len(os.sched_getaffinity(0))


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's model, as far as the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def use_threads(threads: int) -> None:
    """Set torch's threads, never more than the cores."""
    torch.set_num_threads(min(threads, available_cores()))


@contextmanager
def computing_device(requested: str, threads: int) -> Iterator[torch.device]:
    """Set torch's threads (never more than the cores) and yield the device to compute on."""
    with computing_devices(requested, threads, 1) as devices:
        yield devices[0]


@contextmanager
def computing_devices(requested: str, threads: int, count: int) -> Iterator[list[torch.device]]:
    """Set torch's threads (never more than the cores) and yield `count` devices to compute on.

    On a machine with GPUs the job holds its GPUs for itself: jobs take the first free ones, so that several
    jobs, from whichever engine, spread over the GPUs and wait when too few are left. On a CPU the one device
    is there `count` times.

    Raises:
        UserError: more GPUs are wanted than there are.
    """
    use_threads(threads)
    if device_type(requested) == "cpu":
        yield [torch.device("cpu")] * count
        return
    with ExitStack() as stack:
        indices = _lease_gpus(stack, count, torch.cuda.device_count())
        yield [torch.device("cuda", index) for index in indices]


def _lease_gpus(
    stack: ExitStack, wanted: int, count: int, folder: Path | None = None, poll_seconds: float = 1.0
) -> list[int]:
    """All that are wanted or none at a time, so that two jobs never wait for each other's."""
    if wanted > count:
        raise UserError(
            f"params.yaml: run.processes_per_training: {wanted} is more than the {count} GPU(s) here"
        )
    folder = folder or Path(tempfile.gettempdir())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.replace(" ", "").split(",") if visible else [str(index) for index in range(count)]
    while True:
        with ExitStack() as taken:
            indices: list[int] = []
            for index, name in enumerate(names[:count]):
                lock = FileLock(folder / f"trajectory-diffuser-gpu{name}.lock", timeout=0, mode=0o666)
                with suppress(Timeout):
                    taken.enter_context(lock)
                    indices.append(index)
                if len(indices) == wanted:
                    stack.enter_context(taken.pop_all())
                    return indices
        time.sleep(poll_seconds)
