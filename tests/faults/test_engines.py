"""Two engines at once, files of DVC's that a kill has cut short, and other numbers of cores."""

import os
import re
import shutil
from collections.abc import Callable

import psutil
import pytest
from finished import UNREADABLE, Finished, Job, until

from trajectory_diffuser.common.company import stage_at_work

ENGINES = ("snakemake", "dvc")
RULES = (
    "evaluate", "evaluate_experiment", "evaluate_policy", "fetch_dataset", "finetune", "prepare_dataset",
    "train_diffusion", "train_inverse_dynamics", "train_policy", "train_transformer", "train_value", "tune",
)  # fmt: skip
EXAMPLES = {".dvc/tmp/rwlock": b'{"/a/b": {"write": {"pid": 1, "cmd": "dvc repro"}}}'}


def first_of(finished: Finished, rule: str) -> Job:
    return next(job for job in finished.jobs if job.rule == rule)


@pytest.mark.parametrize("second", ENGINES)
@pytest.mark.parametrize("first", ENGINES)
def test_an_engine_that_is_started_beside_another_one_says_so_and_changes_nothing(
    finished: Finished, first: str, second: str, happened: Callable[[str, str], None]
) -> None:
    job, other = first_of(finished, "train_diffusion"), first_of(finished, "train_policy")
    finished.delete(job.output, other.output)
    process = finished.start(job.made_by(first))
    assert until(lambda: stage_at_work(finished.folder), 60)
    stage = psutil.Process(int(re.search(r": process (\d+), ", stage_at_work(finished.folder))[1]))
    stage.suspend()
    refused = finished.project.run(*other.made_by(second))
    said = refused.stdout + refused.stderr
    stage.resume()
    assert refused.returncode != 0 and "Traceback" not in said
    own = "is busy" if first == second == "dvc" else "is at work in"
    assert own in said, said
    assert not (finished.folder / other.output).exists()
    assert process.wait(300) == 0
    done = finished.project.run(*other.made_by(second))
    assert done.returncode == 0, done.stdout + done.stderr
    finished.assert_as_before()
    happened(f"{second} beside {first}", "one line; both do their work when alone")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["dvc.lock", ".dvc/tmp/rwlock"])
def test_what_dvc_cannot_read_it_names_and_goes_on_without(
    finished: Finished, name: str, share: float, happened: Callable[[str, str], None]
) -> None:
    finished.project.commit()
    job, file = first_of(finished, "prepare_dataset"), finished.folder / name
    finished.delete(job.output)
    content = EXAMPLES.get(name) or file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    done = finished.project.run(*job.made_by("dvc"))
    came = "read as it was left"
    if done.returncode != 0:
        assert "Traceback" not in done.stderr
        assert name in [file for words, file in UNREADABLE.items() if words in done.stderr]
        remedy = {"dvc.lock": "git checkout dvc.lock"}.get(name, f"rm {name}")
        assert finished.project.run(*remedy.split()).returncode == 0
        done = finished.project.run(*job.made_by("dvc"))
        assert done.returncode == 0, done.stderr
        came = f"named; after `{remedy}`"
    finished.assert_as_before()
    happened(f"{name} cut short", f"{came}, the same files")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to give a process fewer cores here")
@pytest.mark.parametrize("rule", RULES)
def test_a_stage_writes_the_same_files_on_one_core_and_on_all(
    finished: Finished, rule: str, happened: Callable[[str, str], None]
) -> None:
    job, taskset = first_of(finished, rule), shutil.which("taskset")
    assert taskset and os.cpu_count() > 1
    for cores in ("0", f"0-{os.cpu_count() - 1}"):
        finished.delete(job.output)
        done = finished.project.run("env", "--unset=OMP_NUM_THREADS", taskset, "-c", cores, *job.arguments)
        assert done.returncode == 0, done.stderr
        finished.assert_as_before()
    happened(f"one core, {os.cpu_count()} cores", "the same files")
