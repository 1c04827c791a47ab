"""Who else is at work in a folder: neither engine knows of the other, nor of jobs that a killed one left."""

import math
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil


def stage_at_work(folder: Path) -> str | None:
    """One sentence on a stage that another process runs in the folder, and what helps; None without one."""
    return _at_work(folder, lambda words: re.fullmatch(r"src/\w+\.py", words[0]))


def dvc_at_work(folder: Path) -> str | None:
    """The same of a `dvc repro` or `dvc exp run`, which between two stages has none at work."""
    return _at_work(folder, lambda words: re.match(r"(.*/)?dvc (repro|exp run)\b", " ".join(words)))


def snakemake_at_work(folder: Path) -> str | None:
    """The same of a `snakemake` that has locked the folder, as one that only looks (`--dry-run`) has not."""
    locked = max((lock.stat().st_mtime for lock in folder.glob(".snakemake/locks/*")), default=0.0)
    return _at_work(folder, lambda words: re.match(r"(.*/)?snakemake$", words[0]), begun_by=locked)


def _at_work(folder: Path, is_one: Callable[[list[str]], object], begun_by: float = math.inf) -> str | None:
    here = psutil.Process()
    own = {here.pid, *(parent.pid for parent in here.parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is somebody else's
            words = [word for word in process.cmdline()[1:] if word != "-m"]  # after the interpreter
            if process.pid in own or not words or not is_one(words) or process.create_time() > begun_by:
                continue
            if Path(process.cwd()).resolve() == folder.resolve():
                return (
                    f"{' '.join(words)} is at work in {folder}: process {process.pid}, another "
                    f"engine's or left by a killed one; wait for it, or end it: kill {process.pid}"
                )
    return None
