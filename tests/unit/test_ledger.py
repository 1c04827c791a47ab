"""What agree.py records for DVC is what DVC itself would record."""

import errno
import os
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dvc.repo import Repo
from project import ROOT

from trajectory_diffuser.common.errors import UserError

DVC_YAML = """
stages:
  make:
    foreach: [a, b]
    do:
      cmd: make ${item}
      deps: [code.txt]
      params: ["tasks.${item}.training", seed]
      outs: ["out/${item}"]
  compare:
    cmd: compare
    deps: [out, code.txt]
    params: [tasks]
    outs: [report.txt]
    metrics: [{metrics.json: {cache: false}}]
"""
PARAMS = """
seed: 1e5
tasks:
  a: {training: {}}
  b: {training: {steps: 3, rates: [0.1, null]}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A graph of three stages with folders, files, metrics and parameters, all of whose outputs are there."""
    folder = tmp_path / "project"
    for name in ("a", "b"):
        (folder / "out" / name / "inner").mkdir(parents=True)
        (folder / "out" / name / "inner" / "file.txt").write_text(name)
    for file, text in {
        "dvc.yaml": DVC_YAML,
        "params.yaml": PARAMS,
        "code.txt": "code",
        "report.txt": "report",
        "metrics.json": '{"score": 1.0}',
    }.items():
        (folder / file).write_text(text)
    Repo.init(str(folder), no_scm=True).close()
    return folder


@pytest.fixture
def ledger(project: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What agree.py calls, in that project."""
    monkeypatch.chdir(project)
    return SimpleNamespace(**runpy.run_path(str(ROOT / "workflow/scripts/ledger.py")))


def test_lock_file_cache_and_run_cache_are_those_of_dvc(
    project: Path, ledger: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = project.with_name("theirs")
    shutil.copytree(project, theirs)
    ledger.commit()
    monkeypatch.chdir(theirs)
    with Repo() as repo:
        repo.commit(force=True)
    assert (project / "dvc.lock").read_bytes() == (theirs / "dvc.lock").read_bytes()
    assert cached(project) == cached(theirs)
    with Repo(str(project)) as repo:
        assert repo.status() == {}


def test_stages_that_changed_are_those_of_dvc_until_they_are_recorded(
    project: Path, ledger: SimpleNamespace
) -> None:
    assert ledger.changed() == ["make@a", "make@b", "compare"]
    (project / "dvc.lock").write_text('schema: "2.0"\n')
    assert ledger.changed() == ["make@a", "make@b", "compare"]
    ledger.commit()
    assert ledger.changed() == []
    (project / "params.yaml").write_text(PARAMS.replace("steps: 3", "steps: 4"))
    (project / "out/b/inner/file.txt").write_text("other")
    with Repo() as repo:
        assert ledger.changed() == ["make@b", "compare"] == list(repo.status())
    ledger.commit()
    with Repo() as repo:
        assert repo.status() == {} and ledger.changed() == []


def test_what_is_not_in_the_cache_has_changed_for_dvc_and_here(
    project: Path, ledger: SimpleNamespace
) -> None:
    ledger.commit()
    shutil.rmtree(project / ".dvc/cache/files")
    with Repo() as repo:
        assert ledger.changed() == ["make@a", "make@b", "compare"] == list(repo.status())


def test_an_output_that_does_not_get_into_the_cache_is_named(
    project: Path, ledger: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object, sources: list[str], __: object, targets: list[str], **other: Any) -> None:
        for source, target in zip(sources, targets, strict=True):
            other["on_error"](source, target, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    monkeypatch.setattr("dvc_objects.fs.generic.transfer", full)
    with pytest.raises(UserError, match=r"make@a do not get into \.dvc/cache; is the disk full\?"):
        ledger.commit()
    assert not (project / "dvc.lock").exists()


def test_a_parameter_that_is_missing_is_named(project: Path, ledger: SimpleNamespace) -> None:
    (project / "params.yaml").write_text(PARAMS.replace("seed", "seeds"))
    with pytest.raises(UserError, match=r"^params\.yaml: seed is missing"):
        ledger.changed()


@pytest.mark.parametrize("lock", ["", "stages: {", "stages: 3\n"])
def test_a_damaged_lock_file_is_named(project: Path, ledger: SimpleNamespace, lock: str) -> None:
    (project / "dvc.lock").write_text(lock)
    with pytest.raises(UserError, match=r"dvc\.lock"):
        ledger.changed()


def test_another_dvc_at_work_is_named(project: Path, ledger: SimpleNamespace) -> None:
    with Repo() as repo, repo.lock, pytest.raises(UserError, match="another DVC process"):
        ledger.changed()


def test_files_become_links_to_the_cache_where_dvc_is_told_to_link(
    project: Path, ledger: SimpleNamespace
) -> None:
    (project / ".dvc/config.local").write_text("[cache]\n    type = symlink\n")
    ledger.commit()
    assert (project / "report.txt").is_symlink() and (project / "report.txt").read_text() == "report"
    assert ledger.changed() == []


def test_a_missing_output_is_named_and_nothing_is_recorded(project: Path, ledger: SimpleNamespace) -> None:
    (project / "report.txt").unlink()
    with pytest.raises(UserError, match=r"not up to date: .*report\.txt"):
        ledger.commit()
    assert not (project / "dvc.lock").exists()


def cached(folder: Path) -> dict[Path, bytes]:
    """Every file of DVC's cache, with its content."""
    cache = folder / ".dvc/cache"
    return {path.relative_to(cache): path.read_bytes() for path in cache.rglob("*") if path.is_file()}
