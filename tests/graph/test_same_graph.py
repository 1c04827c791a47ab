"""Snakemake and DVC run the same jobs: commands, inputs, outputs and parameters."""

import re
from functools import partial
from typing import Any

import pytest
import yaml
from graphs import dvc_jobs, snakemake_jobs
from project import Project, presets


def preset(name: str) -> dict[str, Any]:
    """A preset's parameters."""
    return yaml.safe_load(presets["preset"](name))


def every_task() -> dict[str, Any]:
    """The tasks of the default parameters and of the presets; the default has more seeds and planners."""
    params = preset("default")
    for name in presets["names"]():
        params["tasks"] |= preset(name)["tasks"]
    planners = params["evaluate_training"]["planners"]
    params["run"] |= {"tasks": list(params["tasks"]), "seeds": [11], "planners": planners}
    params["finetune"] |= {"tasks": params["run"]["tasks"], "planners": planners[1:]}
    params["measure_scaling"] |= {"tasks": params["run"]["tasks"][1:]}
    return params


def every_row() -> dict[str, Any]:
    """The planners, policies and experiments that the default parameters name, on one task."""
    params = preset("default")
    rows = {name: list(params[name]) for name in ("planners", "policies", "experiments")}
    params["run"] |= rows | {"tasks": params["run"]["tasks"][:1], "seeds": [11]}
    params["run"]["experiment_tasks"] = params["run"]["tasks"]
    return params


MATRICES = {
    "default": partial(preset, "default"),
    "smoke": partial(preset, "smoke"),
    "every task": every_task,
    "every row": every_row,
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_engines_expand_to_the_same_jobs(project: Project, matrix: str) -> None:
    project.reset()
    written = MATRICES[matrix]()
    (project.folder / "params.yaml").write_text(yaml.safe_dump(written))
    params = written["run"]
    again = len(written["evaluate_training"]["planners"])
    brought = project.folder / "data" / "external" / params["tasks"][0] / "deeper" / "file.bin"
    brought.parent.mkdir(parents=True, exist_ok=True)
    brought.touch()
    circle = brought.with_name("up")
    circle.unlink(missing_ok=True)
    circle.symlink_to("..")
    names = ("tasks", "seeds", "planners", "policies")
    tasks, seeds, planners, policies = (len(params[name]) for name in names)

    ours, theirs = snakemake_jobs(project), dvc_jobs(project)

    # fetch, prepare, film per task; per task and seed four models, the planners, tuned, evaluated and some of
    # them again with kept weights, a look at their plans, their times, the policies, which are trained, tuned
    # and evaluated, and the experiments; per seed what is fine-tuned; what is timed of the experiments and
    # scaled; one report
    per_task, per_seed = 3, 4 + 2 * planners + again + 2 + 3 * policies
    asked = len(params["experiments"]) * len(params["experiment_tasks"])
    finetuned = len(written["finetune"]["tasks"]) * len(written["finetune"]["planners"])
    once = asked + len(written["measure_scaling"]["tasks"])
    assert len(ours) == per_task * tasks + (per_seed * tasks + asked + finetuned) * seeds + once + 1
    for job in sorted(ours ^ theirs, key=lambda job: job.command):
        print("Snakemake only:" if job in ours else "DVC only:", job)
    assert ours == theirs
    users = [job.command for job in ours if str(brought.relative_to(project.folder)) in job.inputs]
    assert users == [f"python src/fetch_dataset.py --task {params['tasks'][0]}"]


def test_lint_asks_for_nothing_but_a_container_per_rule(project: Project) -> None:
    project.reset()
    done = project.run("snakemake", "--lint")
    complaints = {
        line.strip() for line in (done.stdout + done.stderr).splitlines() if line.startswith("    * ")
    }
    # One pinned environment serves all rules.
    assert complaints == {"* Specify a conda environment or container for each rule.:"}


def test_rivals_are_a_target_of_their_own(project: Project) -> None:
    project.reset()
    done = project.run("snakemake", "--dry-run", "rivals")
    assert done.returncode == 0, done.stderr
    counts = dict(re.findall(r"^(\w+_rival)\s+(\d+)$", done.stdout + done.stderr, re.MULTILINE))
    assert counts == {"train_rival": "9", "evaluate_rival": "9"}  # 3 seeds, 3 rivals
