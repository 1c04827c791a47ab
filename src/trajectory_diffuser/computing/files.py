"""Outputs appear complete or not at all.

What is being written lies beside its output, under a name with host and process. What a killed process left
there is cleared away by the next one on that host that writes the same output.
"""

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trajectory_diffuser.computing.manifest import write_manifest
from trajectory_diffuser.computing.times import seal_times

ASIDE = ".old"


@contextmanager
def atomic_directory(path: Path | str) -> Iterator[Path]:
    """Yield an empty directory that replaces `path` if the block succeeds and is deleted if it fails.

    It gets a manifest of its files.
    """
    path = Path(path)
    work = _place_of_work(path)
    aside = work.with_name(work.name + ASIDE)
    try:
        work.mkdir()
        yield work
        write_manifest(work)
        seal_times(work)
        if path.exists():  # aside, not away: a kill before the next line loses neither
            os.replace(path, aside)
        os.replace(work, path)
    finally:
        _clear(aside, path)
        _clear(work, path)


@contextmanager
def atomic_file(path: Path | str) -> Iterator[Path]:
    """Yield a path to write to, which replaces `path` if the block succeeds and is deleted if it fails."""
    path = Path(path)
    work = _place_of_work(path)
    try:
        yield work
        os.replace(work, path)
    finally:
        _clear(work, path)


def set_aside(checkpoint: Path, fault: str) -> None:
    """Rename a checkpoint, a file or a folder, that cannot be continued, in the place of one before; warn."""
    unusable = checkpoint.with_name(f"{checkpoint.name}.unusable")
    if unusable.is_dir():
        shutil.rmtree(unusable)
    os.replace(checkpoint, unusable)
    print(
        f"warning: {checkpoint}: {fault}; set aside as {unusable.name}, training begins anew", file=sys.stderr
    )


def _place_of_work(path: Path) -> Path:
    """A free name beside `path`, in a folder that exists, once killed processes' work is cleared away."""
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.{platform.node()}."
    for stray in [each for each in path.parent.iterdir() if each.name.startswith(prefix)]:
        process = stray.name.removeprefix(prefix).removesuffix(ASIDE)
        if process.isdecimal() and not _another_lives(int(process)):
            _clear(stray, path)
    return path.with_name(f"{prefix}{os.getpid()}")


def _another_lives(process: int) -> bool:
    """Whether another process has this number; one that was killed can have had this one's."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        pass
    return process != os.getpid()


def _clear(work: Path, path: Path) -> None:
    """Delete what work on `path` left, if allowed to; put back an old output that nothing has replaced."""
    if work.name.endswith(ASIDE) and work.exists() and not path.exists():
        os.replace(work, path)
    elif work.is_dir() and not work.is_symlink():
        shutil.rmtree(work, ignore_errors=True)
    else:
        with suppress(OSError):
            work.unlink()


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON with a final newline, atomically."""
    with atomic_file(path) as work:
        work.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: Path | str) -> Any:
    """The value stored in a JSON file."""
    return json.loads(Path(path).read_text())
