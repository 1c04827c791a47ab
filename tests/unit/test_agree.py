"""Nothing is recorded for the other engine when a file is not what a stage wrote."""

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from project import ROOT

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import atomic_directory
from trajectory_diffuser.computing.manifest import MANIFEST

OUTPUT = Path("results/runs/a/seed0/tuning/draft")


@pytest.fixture
def check_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What agree.py checks first, in a folder with one output."""
    monkeypatch.chdir(tmp_path)
    with atomic_directory(OUTPUT) as work:
        (work / "inner").mkdir()
        (work / "inner" / "a.txt").write_text("a")
        (work / "choice.json").write_text("{}")
    check = runpy.run_path(str(ROOT / "workflow/scripts/agree.py"))["check_contents"]
    check()
    return check


def test_a_damaged_file_is_named(check_contents: Callable[[], None]) -> None:
    (OUTPUT / "inner" / "a.txt").write_text("b")
    with pytest.raises(UserError, match=rf"^{OUTPUT}/inner/a\.txt: damaged.* rm -r {OUTPUT}, "):
        check_contents()


def test_an_output_without_its_manifest_is_named(check_contents: Callable[[], None]) -> None:
    (OUTPUT / MANIFEST).unlink()
    with pytest.raises(UserError, match=rf"^{OUTPUT}/{MANIFEST}: missing.* rm -r {OUTPUT}, "):
        check_contents()


def test_what_a_killed_stage_left_half_written_is_named(check_contents: Callable[[], None]) -> None:
    left = OUTPUT.with_name(".draft.host.1")
    left.mkdir()
    (left / "b.txt").write_text("b")
    with pytest.raises(UserError, match=rf"^{left}/{MANIFEST}: missing.* rm -r {left}, "):
        check_contents()


def test_a_file_in_an_output_that_no_stage_has_written_is_named(check_contents: Callable[[], None]) -> None:
    (OUTPUT / "inner" / ".DS_Store").write_text("")
    check_contents()
    (OUTPUT / "inner" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=rf"^{OUTPUT}/inner/notes\.txt: no stage .* out of {OUTPUT}$"):
        check_contents()


def test_a_file_beside_outputs_is_left_alone(check_contents: Callable[[], None]) -> None:
    for folder in (OUTPUT.parent, *OUTPUT.parents[:2]):
        (folder / "notes.txt").write_text("mine")
        (folder / ".DS_Store").write_text("")
    check_contents()
