"""Stages and engines are killed at any moment; run again, they end as if nothing had been."""

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
from finished import UNREADABLE, Finished, one_of_each_rule

from trajectory_diffuser.common.company import stage_at_work

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
START_SECONDS = 5.0  # of an engine, before its first job
WRITING_SECONDS = 0.05
COMPANY = re.compile(r"error: src/.* is at work in .*; wait for it, or end it: kill (\d+)")
LOCKED = "--unlock"


def lives_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a process is still at work after so long."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.poll() is None


def lives_when_writing(process: subprocess.Popen[bytes], output: Path, share: float) -> bool:
    """Whether a stage is still at work a share of WRITING_SECONDS after it has begun to write its output."""
    beside = f".{output.name}."
    while process.poll() is None:
        if any(path.name.startswith(beside) for path in output.parent.glob(".*")):
            time.sleep(share * WRITING_SECONDS)
            break
        time.sleep(0.001)
    return process.poll() is None


def test_a_killed_stage_ends_as_if_it_had_not_been(
    finished: Finished, stage_kill: int, happened: Callable[[str, str], None]
) -> None:
    chance = random.Random(f"stage {stage_kill}")
    jobs = one_of_each_rule(finished.jobs, chance)
    job, number = jobs[stage_kill % len(jobs)], SIGNALS[(stage_kill + stage_kill // len(jobs)) % len(SIGNALS)]
    output, moment = finished.folder / job.output, chance.random()
    writing, anew = chance.random() < 0.4, chance.random() < 0.5
    alive = False
    while not alive:
        if anew and output.exists():
            finished.delete(job.output)  # as both engines do before a job
        process = finished.start(job.arguments)
        alive = (
            lives_when_writing(process, output, moment)
            if writing
            else lives_after(process, moment * job.seconds)
        )
        moment *= 0.8  # where it was faster this time
    process.send_signal(number)
    code = process.wait(60)
    left = finished.half_written()
    if number == signal.SIGKILL:  # the others leave time to tidy up
        left = [path for path in left if not path.name.startswith(f".{output.name}.")]
    assert left == []
    done = finished.project.run(*job.arguments)
    assert done.returncode == 0, done.stderr
    finished.assert_as_before()
    when = "as it writes its output" if writing else "at any moment"
    came = "the same files when run again" if code else "had just done its work"
    happened(f"{number.name} to a stage, {when}", came)


def test_a_killed_engine_and_what_it_then_asks_for_lead_to_the_same_files(
    finished: Finished, engine_kill: int, happened: Callable[[str, str], None]
) -> None:
    chance = random.Random(f"engine {engine_kill}")
    engine, number = ("snakemake", "dvc")[engine_kill % 2], SIGNALS[engine_kill // 2 % len(SIGNALS)]
    job = chance.choice(finished.jobs)
    removed = [job.output, *chance.sample(job.reads, min(1, len(job.reads)))]
    command = job.made_by(engine)
    seconds = START_SECONDS + sum(each.seconds for each in finished.jobs if each.output in removed)
    alive, moment = False, chance.random()
    while not alive:
        finished.delete(*(output for output in removed if (finished.folder / output).exists()))
        process = finished.start(command)
        alive = lives_after(process, moment * seconds)
        moment *= 0.8
    if number == signal.SIGINT:  # a terminal sends it to the engine's jobs, too
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    process.wait(300)
    asked = go_on(finished, command)
    finished.assert_as_before()
    assert stage_at_work(finished.folder) is None
    after = f", after {' and '.join(asked)}" if asked else ""
    happened(f"{number.name} to {engine}", f"the same files when run again{after}")


def go_on(finished: Finished, command: list[str]) -> list[str]:
    """Run an engine until it succeeds, doing what it asks for; which is returned in a few words each."""
    asked: list[str] = []
    while True:
        done = finished.project.run(*command)
        printed = done.stdout + done.stderr
        if done.returncode == 0:
            return asked
        assert len(asked) < 4, printed
        if company := COMPANY.search(printed):
            asked.append("the stage that lived on had ended")
            with suppress(psutil.NoSuchProcess):
                psutil.Process(int(company[1])).wait(300)
        elif file := next((file for words, file in UNREADABLE.items() if words in printed), None):
            asked.append(f"removal of the `{file}` that it cannot read")
            (finished.folder / file).unlink()
        else:
            assert LOCKED in printed, printed
            asked.append("snakemake --unlock")
            assert finished.project.run("snakemake", "--unlock").returncode == 0
