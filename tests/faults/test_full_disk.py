"""The disk is full or read-only: one line, nothing half-written, and it goes on when that is mended."""

import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from finished import Finished, error_of, one_of_each_rule

TIMES = 2  # each stage
AGREE = ("python", "workflow/scripts/agree.py", "--from", "snakemake")


@pytest.fixture
def on_small_disk(original: Finished, tmp_path: Path) -> Iterator[Finished]:
    """A finished run on a disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield original.copy(disk / "copy")
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """A file that leaves so many bytes of the disk."""
    filling = folder.parent / "filling"
    filling.write_bytes(bytes(max(0, shutil.disk_usage(folder).free - leave)))
    return filling


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """A disk that nothing can be written to for so long."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


RULES = (
    "evaluate", "evaluate_experiment", "evaluate_plans", "evaluate_policy", "evaluate_training",
    "fetch_dataset", "film", "finetune", "make_report", "measure_experiment", "measure_latency",
    "measure_scaling", "prepare_dataset", "train_diffusion", "train_inverse_dynamics", "train_policy",
    "train_transformer", "train_value", "tune", "tune_policy",
)  # fmt: skip


@pytest.mark.parametrize("time", range(TIMES))
@pytest.mark.parametrize("rule", RULES)
def test_a_stage_on_a_full_disk_ends_with_one_line_and_goes_on_when_there_is_room(
    on_small_disk: Finished, rule: str, time: int, happened: Callable[[str, str], None]
) -> None:
    finished, chance = on_small_disk, random.Random(f"disk {rule} {time}")
    assert {job.rule for job in finished.jobs} == set(RULES)
    (job,) = (job for job in one_of_each_rule(finished.jobs, chance) if job.rule == rule)
    needed = size(finished.folder / job.output)
    finished.delete(job.output)
    filling = fill(finished.folder, int(chance.random() * 0.9 * needed))
    line = error_of(finished.project.run(*job.arguments))
    assert line.startswith("error: cannot write"), line
    assert finished.half_written() == [] and not (finished.folder / job.output).exists()
    filling.unlink()
    done = finished.project.run(*job.arguments)
    assert done.returncode == 0, done.stderr
    finished.assert_as_before()
    happened("a full disk under a stage", "one line, nothing half-written, the same files once there is room")


@pytest.mark.parametrize("rule", RULES)
def test_a_stage_on_a_read_only_disk_ends_with_one_line(
    on_small_disk: Finished, rule: str, happened: Callable[[str, str], None]
) -> None:
    finished, chance = on_small_disk, random.Random(f"read-only {rule}")
    (job,) = (job for job in one_of_each_rule(finished.jobs, chance) if job.rule == rule)
    with read_only(finished.folder.parent):
        line = error_of(finished.project.run(*job.arguments))
    assert re.match(r"error: .*Read-only file system: ", line), line
    finished.assert_as_before()
    happened("a read-only disk under a stage", "one line, nothing changed")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_recording_on_a_full_disk_ends_with_one_line_and_goes_on_when_there_is_room(
    on_small_disk: Finished, share: float, happened: Callable[[str, str], None]
) -> None:
    project, lock = on_small_disk.project, on_small_disk.folder / "dvc.lock"
    recorded = lock.read_bytes()  # whose files are not in the cache, so that they are to be copied there
    needed = sum(size(on_small_disk.folder / job.output) for job in on_small_disk.jobs)
    filling = fill(on_small_disk.folder, int(share * needed))
    error_of(project.run(*AGREE))
    assert lock.read_bytes() == recorded
    on_small_disk.assert_as_before()
    filling.unlink()
    assert project.run(*AGREE).returncode == 0
    assert project.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"
    happened("a full disk under agree.py", "one line, nothing recorded; as ever once there is room")


def test_recording_on_a_read_only_disk_ends_with_one_line(
    on_small_disk: Finished, happened: Callable[[str, str], None]
) -> None:
    with read_only(on_small_disk.folder.parent):
        error_of(on_small_disk.project.run(*AGREE))
    on_small_disk.assert_as_before()
    happened("a read-only disk under agree.py", "one line, nothing changed")


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
@pytest.mark.parametrize("pages", [0, 1, 3])
def test_an_engine_on_a_full_disk_goes_on_when_there_is_room(
    on_small_disk: Finished, engine: str, pages: int, happened: Callable[[str, str], None]
) -> None:
    finished, chance = on_small_disk, random.Random(f"disk {engine} {pages}")
    job = chance.choice([job for job in finished.jobs if job.rule in ("evaluate", "tune", "train_policy")])
    finished.delete(job.output)
    filling = fill(finished.folder, 4096 * pages)
    command = job.made_by(engine)
    done = finished.project.run(*command)
    assert done.returncode != 0
    own = list((finished.folder / "results").glob(".*.tmp")) if engine == "dvc" else []
    assert set(finished.half_written()) <= set(own)
    said = "one line" if "Traceback" not in done.stderr else "a traceback of the engine's"
    said += ", a temporary file of its own is left" if own else ""
    print(done.stderr)
    filling.unlink()
    for path in own:
        path.unlink()
    done = finished.project.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    finished.assert_as_before()
    happened(f"a full disk under {engine}", f"{said}; the same files once there is room")
