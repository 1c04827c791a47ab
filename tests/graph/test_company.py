"""An engine that is started where stages are at work says so and ends."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import Project

from trajectory_diffuser.common.company import snakemake_at_work, stage_at_work

SLOW = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n"


@pytest.fixture
def at_work(project: Project) -> Iterator[int]:
    """The process of a stage of the project, which another engine has started."""
    project.reset()
    (project.folder / "src" / "slow.py").write_text(SLOW)
    command = [sys.executable, "src/slow.py", "--task", "a"]
    with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process.pid
        process.kill()
    (project.folder / "src" / "slow.py").unlink()
    assert stage_at_work(project.folder) is None


def test_a_stage_at_work_is_seen_in_its_own_folder(project: Project, at_work: int, tmp_path: Path) -> None:
    assert f"kill {at_work}" in stage_at_work(project.folder)
    assert stage_at_work(tmp_path) is None


@pytest.mark.parametrize("words", [["repro"], ["exp", "run", "-S", "a=1"]])
def test_dvc_is_seen_between_two_stages(project: Project, tmp_path: Path, words: list[str]) -> None:
    project.reset()
    (tmp_path / "dvc").write_text(SLOW)
    command = [sys.executable, tmp_path / "dvc", *words]
    with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        done = project.run("snakemake", "--cores", "1")
        process.kill()
    last = (done.stdout + done.stderr).splitlines()[-1]
    assert done.returncode != 0 and f"process {process.pid}, another engine's" in last
    assert not (project.folder / "data" / "raw").exists()


def test_snakemake_is_seen_between_two_jobs_where_it_has_locked_the_folder(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "snakemake").write_text(SLOW)
    command = [sys.executable, tmp_path / "snakemake", "--cores", "1"]
    lock = project.folder / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    project.reset()
    with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            assert snakemake_at_work(project.folder) is None  # it only looks
            lock.touch()
            done = project.run("dvc", "repro", "check_parameters")
            os.utime(lock, (0, 0))
            assert snakemake_at_work(project.folder) is None  # one that was killed left the lock
        finally:
            process.kill()
            lock.unlink(missing_ok=True)
    assert done.returncode != 0 and f"is at work in {project.folder}: process {process.pid}" in done.stderr
    assert not (project.folder / "results" / "parameters_checked.txt").exists()


def test_snakemake_names_it_and_ends_before_its_first_job(project: Project, at_work: int) -> None:
    done = project.run("snakemake", "--cores", "1")
    assert done.returncode != 0
    last = (done.stdout + done.stderr).splitlines()[-1]
    assert last.startswith(f"error: src/slow.py --task a is at work in {project.folder}: process {at_work}, ")
    assert not (project.folder / "data" / "raw").exists()
    assert project.run("snakemake", "--dry-run").returncode == 0  # looks only, and nothing is locked


def test_a_stage_of_dvc_names_it_and_ends(project: Project, at_work: int) -> None:
    done = project.run("dvc", "repro", "check_parameters")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert f"process {at_work}, " in line
    assert not (project.folder / "results" / "parameters_checked.txt").exists()
