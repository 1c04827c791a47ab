"""Queued experiments, two of DVC's workers at a time, against the same ones run one after another."""

import re
import time
from pathlib import Path

from dvc.repo import Repo
from project import TIMED, TIMELESS, Project


def run(project: Project, command: str) -> str:
    """What a command prints; it must succeed."""
    done = project.run(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def results_of(project: Project, experiment: str) -> tuple[dict[str, str], dict[str, str]]:
    """The hashes of an experiment's outputs that no time may enter, and the report's files of scores."""
    commit = run(project, f"git for-each-ref --format=%(objectname) refs/exps/*/*/{experiment}").strip()
    with Repo(str(project.folder), rev=commit) as repo:
        outputs = {out.def_path: out.hash_info.value for out in repo.index.outs}
        scores = {name: repo.dvcfs.read_text(f"results/report/{name}") for name in TIMELESS}
    timed = {*TIMED, "report"}
    return {
        path: value for path, value in outputs.items() if not timed.intersection(Path(path).parts)
    }, scores


def test_two_experiments_side_by_side_give_the_numbers_of_one_after_another(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", preset="smoke")
    run(project, "dvc repro")
    project.commit()  # params.yaml and dvc.lock
    change = "--set-param policies.best_tenth_cloning.best_fraction="  # trained, tuned and evaluated anew
    one_by_one, queued = (project.duplicate(tmp_path / name) for name in ("one_by_one", "queued"))
    for share in (0.2, 0.5):
        run(one_by_one, f"dvc exp run --name best-{share} {change}{share}")
        one_by_one.reset()
        run(queued, f"dvc exp run --queue --name best-{share} {change}{share}")
    run(queued, "dvc queue start --jobs 2")
    for _ in range(600):
        status = run(queued, "dvc queue status")
        states = re.findall(r" best-.* (Queued|Running|Success|Failed) *$", status, flags=re.MULTILINE)
        if not {"Queued", "Running"} & set(states):
            break
        time.sleep(1)
    assert states == ["Success", "Success"], status
    first, second = (results_of(one_by_one, f"best-{share}") for share in (0.2, 0.5))
    assert len(first[0]) > 30 and first[0] != second[0]
    assert results_of(queued, "best-0.2") == first
    assert results_of(queued, "best-0.5") == second
    table = run(queued, "dvc exp show --csv --only-changed").splitlines()
    for share in (0.2, 0.5):
        assert sum(f"best-{share}," in line and f",{share}," in line for line in table) == 1
