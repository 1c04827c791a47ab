"""Both engines' graphs of a project, as jobs that can be compared."""

import json
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from project import Project

from trajectory_diffuser.common.stage_code import stage_code

# Snakemake checks params.yaml while it reads the Snakefile, and looks at code itself.
DVC_ALONE = ("check_parameters", "hash_code")
EXPAND = Path(__file__).with_name("print_jobs.py")


@dataclass(frozen=True)
class Job:
    """What an engine would do: the command, the files and parameters that it depends on, what it makes."""

    command: str
    inputs: frozenset[str]
    outputs: frozenset[str]
    settings: frozenset[str]


def snakemake_graph(project: Project) -> list[dict[str, Any]]:
    """Snakemake's jobs as it describes them, without the rule `all` that only collects."""
    done = project.run(sys.executable, str(EXPAND))
    assert done.returncode == 0, done.stderr
    return [job for job in json.loads(done.stdout) if job["rule"] != "all"]


def snakemake_jobs(project: Project) -> set[Job]:
    """Snakemake's graph; a job's command without the redirection to its log."""
    jobs = set()
    for job in snakemake_graph(project):
        (log,) = job["log"]
        command, redirection = job["command"].split(" > ")
        assert redirection == f"{log} 2>&1"
        jobs.add(
            Job(command, frozenset(job["inputs"]), frozenset(job["outputs"]), frozenset(job["settings"]))
        )
    return jobs


def dvc_jobs(project: Project) -> set[Job]:
    """DVC's graph, with each folder replaced by the outputs or, where it holds none, by the files inside."""
    with Repo(str(project.folder)) as repo:
        stages = [stage for stage in repo.index.stages if stage.name not in DVC_ALONE]
        produced = [output.def_path for stage in stages for output in stage.outs]
        inside = cache(partial(contents, project.folder, produced=produced))  # asked for again by every job
        jobs = set()
        for stage in stages:
            paths = [dep.def_path for dep in stage.deps if dep.def_path != "params.yaml"]
            name = stage.name.partition("@")[0]
            paths.remove(f"results/code/{name}.txt")
            paths += map(str, stage_code(name, project.folder))
            (params,) = [dep.params for dep in stage.deps if dep.def_path == "params.yaml"]
            inputs = {file for path in paths for file in inside(path)}
            inputs = {file for file in inputs if is_for(file, stage.cmd)}
            outputs = {output.def_path for output in stage.outs}
            jobs.add(Job(stage.cmd, frozenset(inputs), frozenset(outputs), frozenset(params)))
    return jobs


def is_for(file: str, command: str) -> bool:
    """Whether a job needs a file that DVC names for it: of the users' folders it needs its task's alone.

    DVC depends on all of data/external, because a task's folder in it need not exist.
    """
    external, _, rest = file.partition("data/external/")
    return bool(external) or not rest or rest.split("/")[0] in command.split()


def contents(folder: Path, path: str, produced: list[str]) -> list[str]:
    """The outputs that a dependency of DVC's stands for or else the files in git."""
    outputs = [output for output in produced if output == path or output.startswith(f"{path}/")]
    if outputs:
        return outputs
    if (folder / path).is_file():
        return [path]
    files = [file for file in (folder / path).rglob("*") if file.is_file()]
    assert files, f"{path} is neither made by a stage nor in the project"
    return [str(file.relative_to(folder)) for file in files]
