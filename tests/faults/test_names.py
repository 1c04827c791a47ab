"""Names in params.yaml that a shell, a path or a template would obey: neither engine starts with one."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from project import Project

NAMES = 1000
PARTS = 5
# A task, a planner, a policy, an experiment.
NAMED = ("maze-umaze-smoke", "carried_draft_one_call", "best_tenth_cloning", "refinement")
AT_ONCE = {"snakemake": 1, "dvc": len(NAMED)}  # a start of DVC's takes seconds
HOSTILE = (
    "$(touch canary)", "`touch canary`", "; touch canary #", "| touch canary", "&& touch canary",
    "> canary", "\ntouch canary\n", "'; touch canary; '", '"; touch canary; "', "$(touch ../canary)",
    "../canary", "/canary", "../../canary", "..", "~/canary", "{task}", "{input}", "${run.seeds}",
    "${item.task}", "{{ canary }}", "%s", "--help", "--task=x", "*", "?", "\\", "\0", "\x1b[2J", "\u202e",
    "\u0430", " ", "\t", "\r\n", "@x", ":x", "!!python/name:os",
)  # fmt: skip


def hostile_name(number: int) -> str:
    """Up to three of them, with something harmless before or between."""
    chance = random.Random(f"name {number}")
    pieces = chance.sample(HOSTILE, chance.randint(1, 3))
    return "".join(chance.choice(("", "", "a", "maze")) + piece for piece in pieces)


def paths(folder: Path) -> set[Path]:
    """What is in a folder; of the project's own notes not what is in them."""
    inside = (".git", ".snakemake", "tmp", "__pycache__")
    return {path for path in folder.rglob("*") if not set(inside) & set(path.relative_to(folder).parts)}


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_no_engine_obeys_a_hostile_name(
    tmp_path: Path, engine: str, part: int, happened: Callable[[str, str], None]
) -> None:
    project = Project(tmp_path / "outer" / "copy", preset="smoke")
    names = [hostile_name(number) for number in range(part, NAMES, PARTS)]
    starts = [
        {NAMED[index % len(NAMED)]: names[index] for index in range(first, first + AT_ONCE[engine])}
        for first in range(0, len(names), AT_ONCE[engine])
    ]
    (tmp_path / "names.json").write_text(json.dumps(starts))
    before = paths(tmp_path / "outer")
    enter, ends = Path(__file__).with_name("enter.py"), tmp_path / "ends.json"
    done = project.run(sys.executable, str(enter), engine, str(tmp_path / "names.json"), str(ends))
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    for start, end in zip(starts, json.loads(ends.read_text()), strict=True):
        assert end and "\n" not in str(end), start
        assert engine == "dvc" or "is not valid; use a" in end, end
        for _ in start:
            happened(f"a hostile name, {engine}", "refused, nothing executed, nothing written")
    assert paths(tmp_path / "outer") == before
    assert not list(tmp_path.parent.rglob("canary")) and not Path("/canary").exists()
