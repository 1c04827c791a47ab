"""What knowing every file again costs."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from finished import Finished

LIMIT = 0.02  # of a run


def test_checksums_take_less_than_a_fiftieth_of_a_run(
    finished: Finished, tmp_path: Path, happened: Callable[[str, str], None]
) -> None:
    hashing = Path(__file__).with_name("hashing.py")
    seconds = spent = 0.0
    for job in finished.jobs:
        times = tmp_path / "times.json"
        done = finished.project.run(sys.executable, str(hashing), str(times), *job.arguments[1:])
        assert done.returncode == 0, done.stderr
        took = json.loads(times.read_text())
        seconds, spent = seconds + took["seconds"], spent + took["hashing"]
    happened("no fault", f"checksums took {spent:.2f} s of {seconds:.0f} s, {spent / seconds:.2%}")
    assert spent < LIMIT * seconds
