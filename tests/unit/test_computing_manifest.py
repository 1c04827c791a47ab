"""What was written is known again: every damage to a directory is named, with the command that mends it."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import atomic_directory
from trajectory_diffuser.computing.manifest import MANIFEST, require_intact, unlisted

REMEDY = "python src/made_up.py"
FILES = {"weights.bin": bytes(range(256)) * 40, "table.csv": b"a,b\n1,2\n", "inner/deeper/note.txt": b"\n"}


def written(folder: Path) -> Path:
    with atomic_directory(folder) as work:
        for name, content in FILES.items():
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            (work / name).write_bytes(content)
    return folder


def test_what_was_written_is_intact_and_listed(tmp_path: Path) -> None:
    folder = written(tmp_path / "output")
    require_intact(folder, REMEDY)
    assert set(json.loads((folder / MANIFEST).read_text())) == set(FILES)


def test_a_directory_that_is_not_there_is_left_to_its_reader(tmp_path: Path) -> None:
    require_intact(tmp_path / "nothing", REMEDY)


@settings(max_examples=200, deadline=None)
@given(name=st.sampled_from(sorted(FILES)), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_named(tmp_path_factory: pytest.TempPathFactory, name: str, place: float, bit: int):
    folder = written(tmp_path_factory.mktemp("run") / "output")
    content = bytearray(FILES[name])
    content[int(place * len(content))] ^= 1 << bit
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: damaged.*{REMEDY}"):
        require_intact(folder, REMEDY)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["shorter", "longer", "empty", "gone"])
def test_a_file_that_is_cut_grown_or_gone_is_named(tmp_path: Path, name: str, change: str) -> None:
    file = written(tmp_path / "output") / name
    content = {"shorter": FILES[name][:-1], "longer": FILES[name] + b"\0", "empty": b""}
    file.unlink() if change == "gone" else file.write_bytes(content[change])
    with pytest.raises(UserError, match=f"{name}: {'missing' if change == 'gone' else 'damaged'}.*{REMEDY}"):
        require_intact(tmp_path / "output", REMEDY)


def test_files_that_were_not_written_are_found_but_for_hidden_ones(tmp_path: Path) -> None:
    folder = written(tmp_path / "output")
    assert unlisted(folder) == []
    added = ["inner/times.json", "new.csv", "other/new.csv"]
    for name in (*added, ".cache/a.json", "inner/.DS_Store"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    assert unlisted(folder) == [folder / name for name in added]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"weights.bin": 3}', "\xff\xfe"])
def test_a_damaged_manifest_is_named(tmp_path: Path, text: str) -> None:
    folder = written(tmp_path / "output")
    (folder / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=f"damaged.*{REMEDY}"):
        require_intact(folder, REMEDY)


def test_a_directory_without_a_manifest_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "output")
    (folder / MANIFEST).unlink()
    with pytest.raises(UserError, match=rf"{MANIFEST}: missing.*older version.*{REMEDY}"):
        require_intact(folder, REMEDY)


def test_an_array_with_one_other_number_is_no_longer_what_was_written(tmp_path: Path) -> None:
    with atomic_directory(tmp_path / "output") as work:
        np.save(work / "array.npy", np.arange(5.0))
    array = np.load(tmp_path / "output/array.npy", mmap_mode="r+")
    array[3] = 1e30
    array.flush()
    with pytest.raises(UserError, match=r"array\.npy: damaged"):
        require_intact(tmp_path / "output", REMEDY)
