import os

import pytest

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
    assert os.listdir(target) == ["new"]


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
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


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
