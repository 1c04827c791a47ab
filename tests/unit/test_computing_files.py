import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trajectory_diffuser.computing import files
from trajectory_diffuser.computing.files import atomic_directory, atomic_file, read_json, write_json


def test_a_directory_appears_only_when_the_block_is_done(tmp_path):
    target = tmp_path / "deep" / "out"
    with atomic_directory(target) as work:
        (work / "a").write_text("new")
        assert not target.exists()
    assert (target / "a").read_text() == "new"
    assert os.listdir(target.parent) == ["out"]


def test_a_directory_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "out"
    for name in ("old", "new"):
        with atomic_directory(target) as work:
            (work / name).write_text("")
    assert sorted(os.listdir(target)) == ["manifest.json", "new"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_directory_and_nothing_half_written(tmp_path, error):
    target = tmp_path / "out"
    with atomic_directory(target) as work:
        (work / "a").write_text("old")
    with pytest.raises(error), atomic_directory(target) as work:
        (work / "a").write_text("half")
        raise error
    assert (target / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_directory_can_be_read_by_others(tmp_path):
    with atomic_directory(tmp_path / "out"):
        pass
    (tmp_path / "made by hand").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "made by hand").stat().st_mode


def test_a_file_appears_only_when_the_block_is_done(tmp_path):
    target = tmp_path / "deep" / "out.txt"
    with atomic_file(target) as work:
        work.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["out.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_half_written(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as work:
        work.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_json_is_read_as_it_was_written(tmp_path):
    value = {"b": [1, 2.5, None], "a": "text"}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json") == value
    assert (tmp_path / "value.json").read_text().endswith("}\n")


DIES = """
import os, signal, sys
from trajectory_diffuser.computing import files

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

with files.atomic_directory("out") as work, files.atomic_file("out.txt") as file:
    (work / "a").write_text("new")
    file.write_text("new")
    if sys.argv[1] == "between the renames":
        rename = os.replace
        os.replace = lambda a, b: (rename(a, b), b.name.endswith(files.ASIDE) and die())
    else:
        die()
"""


@pytest.mark.parametrize("moment", ["while writing", "between the renames"])
def test_what_a_killed_process_leaves_is_cleared_away_by_the_next_one(tmp_path, moment):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("old")
    environment = os.environ | {"PYTHONPATH": str(Path(files.__file__).parents[2])}
    killed = subprocess.run([sys.executable, "-c", DIES, moment], cwd=tmp_path, env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert len([name for name in os.listdir(tmp_path) if name.startswith(".")]) == 2
    assert (tmp_path / "out").exists() == (moment == "while writing")
    with pytest.raises(RuntimeError), atomic_directory(tmp_path / "out"):
        raise RuntimeError
    assert (tmp_path / "out" / "a").read_text() == "old"
    write_json(tmp_path / "out.txt", 1)
    assert set(os.listdir(tmp_path)) == {"out", "out.txt"}


def test_work_of_living_processes_other_hosts_and_on_other_outputs_stays(tmp_path):
    host, living, dead = platform.node(), os.getppid(), 2**22 + 1  # more than Linux and macOS count to
    theirs = [
        f".out.{host}.{living}", f".out.{host}.{living}{files.ASIDE}", f".out.elsewhere.{dead}",
        f".output.{host}.{dead}", f".out.{host}.notes",
    ]  # fmt: skip
    for name in (*theirs, f".out.{host}.{dead}", f".out.{host}.{os.getpid()}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text(name)
    with atomic_directory(tmp_path / "out"):
        pass
    assert set(os.listdir(tmp_path)) == {"out", *theirs}


def test_a_replacement_that_fails_puts_the_old_directory_back(tmp_path, monkeypatch):
    target = tmp_path / "out"
    with atomic_directory(target) as work:
        (work / "a").write_text("old")
    with pytest.raises(FileNotFoundError), atomic_directory(target) as work:
        shutil.rmtree(work)  # so that it cannot take the old one's place
    assert (target / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]
