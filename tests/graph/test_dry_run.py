"""What would run is told in a fresh clone, where nothing has been made yet, and nothing runs."""

import re
from pathlib import Path

import pytest
from dvc.repo import Repo
from project import ROOT, Project


@pytest.fixture
def clone(project: Project, tmp_path: Path) -> Project:
    """A fresh clone of the project."""
    project.reset()
    cloned = project.run("git", "clone", "--quiet", str(project.folder), str(tmp_path / "clone"))
    assert cloned.returncode == 0, cloned.stderr
    return Project.at(tmp_path / "clone")


def paths(clone: Project) -> set[Path]:
    """What lies in the clone, but in the folders of notes of git and DVC."""
    inside = {path.relative_to(clone.folder) for path in clone.folder.rglob("*")}
    return {path for path in inside if path.parts[0] != ".git" and path.parts[:2] != (".dvc", "tmp")}


def test_dvcs_documented_dry_run_prints_every_stage_and_runs_none(clone: Project) -> None:
    (command,) = re.findall(r"in a fresh clone, .*?`(dvc repro .*?)`", (ROOT / "docs/running.md").read_text())
    before = paths(clone)
    done = clone.run(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    printed = re.findall(r"^Running stage '(.+)':\n> (.+)$", done.stdout, flags=re.MULTILINE)
    with Repo(str(clone.folder)) as repo:
        stages = [(stage.name, stage.cmd) for stage in repo.index.stages]
    assert len(stages) > 90
    assert sorted(printed) == sorted(stages)
    assert paths(clone) == before
    assert clone.run("git", "status", "--porcelain").stdout == ""
