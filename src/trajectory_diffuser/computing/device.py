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
    """The processors this process may run on; all of them where the system does not tell (macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's model, as far as the system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


@contextmanager
def computing_device(requested: str, threads: int) -> Iterator[torch.device]:
    """Set torch's threads (never more than the cores) and yield the device to compute on.

    On a machine with GPUs the job holds one for itself: jobs take the first free one, so that several jobs,
    from whichever engine, spread over the GPUs and wait when none is left.

    Args:
        requested: run.device.
        threads: of this process.

    Raises:
        UserError: a GPU is asked for, but there is none.
    """
    torch.set_num_threads(min(threads, available_cores()))
    if device_type(requested) == "cpu":
        yield torch.device("cpu")
        return
    with ExitStack() as stack:
        yield torch.device("cuda", _lease_gpu(stack, torch.cuda.device_count()))


def _lease_gpu(stack: ExitStack, count: int, folder: Path | None = None, poll_seconds: float = 1.0) -> int:
    """The number of a GPU, of `count`, that nobody else holds until the stack is left; waits for it."""
    folder = folder or Path(tempfile.gettempdir())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.replace(" ", "").split(",") if visible else [str(index) for index in range(count)]
    while True:
        for index, name in enumerate(names[:count]):
            lock = FileLock(folder / f"trajectory-diffuser-gpu{name}.lock", timeout=0, mode=0o666)
            with suppress(Timeout):
                stack.enter_context(lock)
                return index
        time.sleep(poll_seconds)
