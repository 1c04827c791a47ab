"""Times lie beside what they are about, which is the same without them, and are never taken for another's."""

import json
from pathlib import Path

import pytest

from trajectory_diffuser.computing.files import atomic_directory
from trajectory_diffuser.computing.manifest import MANIFEST, TIMES, require_intact
from trajectory_diffuser.computing.times import read_times, write_times


def written(folder: Path, seconds: float, weights: str = "weights") -> Path:
    with atomic_directory(folder) as work:
        (work / "weights.bin").write_text(weights)
        write_times(work, seconds=seconds, kept=[{"fraction": 0.5, "seconds": seconds / 2}])
    return folder


def test_times_are_read_as_they_were_written(tmp_path: Path) -> None:
    expected = {"seconds": 3.0, "kept": [{"fraction": 0.5, "seconds": 1.5}]}
    assert read_times(written(tmp_path / "output", 3.0)) == expected


def test_other_times_make_no_other_output(tmp_path: Path) -> None:
    first, second = written(tmp_path / "first", 3.0), written(tmp_path / "second", 4.0)
    assert (first / TIMES).read_bytes() != (second / TIMES).read_bytes()
    assert (first / MANIFEST).read_bytes() == (second / MANIFEST).read_bytes()
    require_intact(first, "anything")


def test_without_times_an_output_is_intact_and_nothing_is_known_of_them(tmp_path: Path) -> None:
    folder = written(tmp_path / "output", 3.0)
    (folder / TIMES).unlink()
    require_intact(folder, "anything")
    assert read_times(folder) == {}


def test_the_times_of_another_output_are_not_taken(tmp_path: Path) -> None:
    old, new = written(tmp_path / "old", 3.0), written(tmp_path / "new", 4.0, "others")
    (old / TIMES).rename(new / TIMES)
    assert read_times(new) == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"seal": 3, "seconds": 3.0}', "\xff\xfe"])
def test_damaged_times_are_not_taken(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path / "output", 3.0)
    (folder / TIMES).write_bytes(text.encode("latin-1"))
    assert read_times(folder) == {}


def test_a_changed_number_is_not_taken(tmp_path: Path) -> None:
    folder = written(tmp_path / "output", 3.0)
    times = json.loads((folder / TIMES).read_text())
    (folder / TIMES).write_text(json.dumps(times | {"seconds": 2.0}))
    assert read_times(folder) == {}
