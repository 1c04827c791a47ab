"""Where and with how many threads a stage computes."""

import os
import platform
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs
import torch
from filelock import FileLock, Timeout

from trajectory_diffuser.common.errors import UserError, reason

SCHEDULED = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")  # in the environment of a scheduler's job: its number


def device_type(requested: str) -> str:
    """Resolve run.device (`auto`, `cpu` or `cuda`) to `cpu` or `cuda`."""
    if requested == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if requested == "cuda" and not torch.cuda.is_available():
        raise UserError("params.yaml: run.device: cuda, but torch sees no GPU; use auto or cpu")
    return requested


def check_compiler(key: str, wanted: bool, device: str) -> None:
    """Raise `UserError` about `key` where compiling is wanted, but a CPU's code cannot be compiled here."""
    compiler = os.environ.get("CXX") or "g++"
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
def computing_device(run: dict[str, Any], threads: int) -> Iterator[torch.device]:
    """Set torch's threads (never more than the cores) and yield the device to compute on.

    On a machine with GPUs the job holds a place on one, of the `jobs_per_gpu` that each has: jobs take the
    first free one, every GPU's first place before any second, so that several jobs, from whichever engine,
    spread over the GPUs and wait when none is left. Whose job gets which GPUs of a cluster is its scheduler's
    affair.

    Args:
        run: the parameters' section: `device` and `jobs_per_gpu`.
        threads: of this process.

    Raises:
        UserError: a GPU is asked for, but there is none; the user has no folder for locks.
    """
    torch.set_num_threads(min(threads, available_cores()))
    # What is compiled is code: not in a folder under /tmp, which somebody else could have made first.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(_user_cache() / "compiled"))
    if device_type(run["device"]) == "cpu":
        yield torch.device("cpu")
        return
    with ExitStack() as stack:
        yield torch.device("cuda", _lease_gpu(stack, torch.cuda.device_count(), run["jobs_per_gpu"]))


def _lease_gpu(stack: ExitStack, count: int, places: int = 1, poll_seconds: float = 1.0) -> int:
    """The number of a GPU, of `count` with so many places, one of which is held until the stack is left.

    Waits for one, and says so. One GPU in a scheduler's job is the job's own, nothing is to be waited for; of
    several the jobs inside it take theirs as they do elsewhere, whatever other jobs of the scheduler do.
    """
    scheduled = [os.environ[name] for name in SCHEDULED if name in os.environ]
    if scheduled and count == 1:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.replace(" ", "").split(",") if visible else [str(index) for index in range(count)]
    scope = "-".join([platform.node(), *scheduled])  # the folder may be shared between machines
    files = [
        (index, re.sub(r"[^\w.-]", "-", f"gpu{name}-place{place}-{scope}.lock"))
        for place in range(places)
        for index, name in enumerate(names[:count])
    ]
    folder, waiting = _lock_folder(), False
    while True:
        for index, file in files:
            with suppress(Timeout):
                stack.enter_context(FileLock(folder / file, timeout=0, mode=0o600))
                return index
        if not waiting:
            held = ", ".join(file for _, file in files)
            print(f"waiting for a GPU: other jobs hold {held} in {folder}", file=sys.stderr)
            waiting = True
        time.sleep(poll_seconds)


def _user_cache() -> Path:
    return platformdirs.user_cache_path("trajectory-diffuser")


def _lock_folder() -> Path:
    """A folder of the user's own: in one that all write to, anybody could hold a lock for ever."""
    folder = _user_cache()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(f"{folder}: not to be written to ({reason(error)}); set XDG_CACHE_HOME") from None
    return folder
