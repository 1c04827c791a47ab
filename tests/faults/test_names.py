"""Names and paths that a shell, a path or a template would obey: neither engine starts with one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hostile import HOSTILE, assert_no_canary, assert_refused, hostile_starts, paths
from project import Project

NAMES = 1000
PARTS = 5
AT_ONCE = {"snakemake": 1, "dvc": 4}  # a start of DVC's takes seconds
FILES = [name for name in HOSTILE if "/" not in name and name.isprintable() and name != ".."]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("engine", AT_ONCE)
def test_no_engine_obeys_a_hostile_name(
    tmp_path: Path, engine: str, part: int, happened: Callable[[str, str], None]
) -> None:
    project = Project(tmp_path / "outer" / "copy", preset="smoke")
    numbers = range(part, NAMES, PARTS)
    assert_refused(project, engine, hostile_starts(numbers, AT_ONCE[engine]), tmp_path)
    for _ in numbers:
        happened(f"a hostile name, {engine}", "refused, nothing executed, nothing written")


# What a shell or a template would obey may be the name of a user's file: then it is that and nothing else.
@pytest.mark.parametrize("command", ["snakemake --cores 1 --keep-going", "dvc repro --keep-going"])
def test_a_hostile_name_of_a_file_is_looked_for_and_nothing_else(command: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "outer" / "copy", preset="smoke")
    params = yaml.safe_load((project.folder / "params.yaml").read_text())
    task = params["tasks"]["maze-umaze-smoke"] | {
        "reference_scores": {"minimum": 0, "maximum": 1, "origin": "none"}
    }
    source = {"kind": "d4rl", "sha256": None, "clip_actions": False, "licence": "none"}
    for number, name in enumerate(FILES):
        params["tasks"][f"task-{number}"] = task | {"source": source | {"file": name}}
    params["run"]["tasks"] = [f"task-{number}" for number in range(len(FILES))]
    params["run"] |= {"experiments": [], "experiment_tasks": []}
    params["finetune"]["tasks"] = params["measure_scaling"]["tasks"] = []
    (project.folder / "params.yaml").write_text(yaml.safe_dump(params))
    before = paths(project)
    done = project.run(*command.split())
    assert done.returncode != 0
    logs = (project.folder / "results" / "logs").rglob("*.log")
    said = "\n".join([done.stderr, *(log.read_text() for log in logs)])
    for number, name in enumerate(FILES):
        path = f"data/external/task-{number}/{name}"
        assert f"error: params.yaml: tasks.task-{number}.source.file: {path} does not exist" in said
    new = {path.relative_to(project.folder).parts[0] for path in paths(project) - before}
    assert new <= {"results", "data", ".dvc", "dvc.lock"}
    assert not list((project.folder / "data").rglob("raw/*"))
    assert_no_canary(project)
