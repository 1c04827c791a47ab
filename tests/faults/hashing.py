"""Run a stage and write its seconds, and those of checksums: python hashing.py FILE src/x.py ..."""

import json
import runpy
import sys
import time
from pathlib import Path

start = time.perf_counter()
sys.path.insert(0, "src")
from trajectory_diffuser.computing import manifest  # noqa: E402

hashing, digest = 0.0, manifest._digest


def timed(path: Path) -> str:
    """The digest of a file."""
    global hashing
    begun = time.perf_counter()
    value = digest(path)
    hashing += time.perf_counter() - begun
    return value


manifest._digest = timed
times, sys.argv = Path(sys.argv[1]), sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
times.write_text(json.dumps({"seconds": time.perf_counter() - start, "hashing": hashing}))
