"""How long it took to write an output: beside its other files, and no part of what the output is.

The same inputs give the same files in other times. So `times.json` is not in the manifest, and DVC does not
see it (.dvcignore): runs that differ in nothing but their times are the same. A seal ties it to its output,
and to what it says; where one of the two is another now, as after `dvc checkout`, the times are unknown.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from trajectory_diffuser.computing.manifest import MANIFEST, TIMES

SEAL = "seal"


def write_times(directory: Path, **times: Any) -> None:
    """Note times, in seconds, among the files of an output that `atomic_directory` is about to complete."""
    (directory / TIMES).write_text(json.dumps(times, indent=2) + "\n")


def seal_times(directory: Path) -> None:
    """Tie the times of a directory, if it has any, to its manifest, which is there by now."""
    file = directory / TIMES
    if file.exists():
        times = json.loads(file.read_text())
        times.pop(SEAL, None)
        file.write_text(json.dumps(times | {SEAL: _seal(directory, times)}, indent=2) + "\n")


def read_times(directory: Path) -> dict[str, Any]:
    """What `write_times` was given; nothing where the file is missing, damaged or another output's."""
    try:
        times = json.loads((directory / TIMES).read_bytes())
        seal = times.pop(SEAL)
        return times if seal == _seal(directory, times) else {}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}


def _seal(directory: Path, times: dict[str, Any]) -> str:
    manifest = (directory / MANIFEST).read_bytes()
    return hashlib.sha256(manifest + json.dumps(times).encode()).hexdigest()
