"""Names and paths that a shell, a path, a template or a YAML reader would obey; engines started with them."""

import json
import random
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from project import Project

HOSTILE = (
    "$(touch canary)", "`touch canary`", "; touch canary #", "| touch canary", "&& touch canary",
    "> canary", "\ntouch canary\n", "'; touch canary; '", '"; touch canary; "', "$(touch ../canary)",
    "../canary", "/canary", "../../canary", "..", "~/canary", "{task}", "{input}", "${run.seeds}",
    "${item.task}", "{{ canary }}", "%s", "--help", "--task=x", "*", "?", "\\", "\0", "\x1b[2J", "\u202e",
    "\u0430", " ", "\t", "\r\n", "@x", ":x", "!!python/name:os",
)  # fmt: skip
# Without quotes: not the same to the readers of both engines, which follow YAML 1.1 and 1.2, or no text.
AMBIGUOUS = ("1e5", "on", "Yes", "no", "012", "0o12", "1_0", "1:30", "0x1f", ".inf", "~", "true")

# Where names and paths stand in the preset smoke: what is replaced there, and by what around the name.
SOURCE = "source: {kind: controller, steps: 3000, action_noise: 0.5}"
OF_ELSEWHERE = "clip_actions: false, licence: none}}"
PLACES = {
    "task": ("maze-umaze-smoke", "{}"),
    "planner": ("carried_draft_one_call", "{}"),
    "policy": ("best_tenth_cloning", "{}"),
    "dataset": (SOURCE, "source: {{kind: minari, dataset: {}, " + OF_ELSEWHERE),
    "experiment": ("refinement", "{}"),
    "ladder": ("ladder: hopper", "ladder: {}"),
    "actor": ("actors: [medium]", "actors: [{}]"),
    "file": (SOURCE, "source: {{kind: d4rl, file: {}, sha256: null, " + OF_ELSEWHERE),
}
NAMES = ("task", "planner", "policy", "experiment")  # of sections' entries


def hostile_name(number: int, place: str) -> str:
    """Up to three of HOSTILE, with something harmless before or between, that may not stand in that place.

    What is left of them may be harmless (`a--help`), or may be the name of a file: then it leaves its folder.
    """
    chance = random.Random(f"name {number}")
    pieces = chance.sample(HOSTILE, chance.randint(1, 3))
    name = "".join(chance.choice(("", "", "a", "maze")) + piece for piece in pieces)
    plain = re.fullmatch("[A-Za-z0-9._/-]+", name) and (place not in NAMES or name[0].isalpha())
    name = f"../{name}" if plain or place == "file" else name
    return f"{name}-v1" if place == "dataset" else name


def replaced(place: str, text: str) -> dict[str, str]:
    """What is to be replaced by what in params.yaml for this text, YAML, to stand in a place."""
    old, around = PLACES[place]
    return {old: around.format(text)}


def hostile_starts(numbers: Iterable[int], at_once: int) -> list[dict[str, str]]:
    """What is replaced in each start, for each place in turn to have a hostile name: in 1, 2 or 4 at once."""
    starts, places = [], list(PLACES)
    for index, number in enumerate(numbers):
        place = places[index % len(places)]
        if index % at_once == 0:
            starts.append({})
        starts[-1] |= replaced(place, json.dumps(hostile_name(number, place)))
    return starts


def assert_refused(project: Project, engine: str, starts: list[dict[str, str]], notes: Path) -> None:
    """The engine ends each start with an error in one line; nothing is executed, nor written.

    `notes` is a folder for files of this function's own.
    """
    (notes / "starts.json").write_text(json.dumps(starts))
    shipped, before = (project.folder / "params.yaml").read_text(), paths(project)
    assert all(old in shipped for start in starts for old in start)  # or everything would be run
    enter, ends = Path(__file__).with_name("enter.py"), notes / "ends.json"
    done = project.run(sys.executable, str(enter), engine, str(notes / "starts.json"), str(ends))
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    for start, end in zip(starts, json.loads(ends.read_text()), strict=True):
        assert end and "\n" not in str(end), start
        assert engine == "dvc" or end.startswith("error: params.yaml: "), (start, end)
    assert paths(project) == before
    assert_no_canary(project)


def assert_no_canary(project: Project) -> None:
    """No name was executed, nor obeyed as a path."""
    assert not list(project.folder.parent.parent.rglob("canary*")) and not Path("/canary").exists()


def paths(project: Project) -> set[Path]:
    """What is in the project and beside it; of its own notes not what is in them."""
    outer, inside = project.folder.parent, (".git", ".snakemake", "tmp", "__pycache__")
    return {path for path in outer.rglob("*") if not set(inside) & set(path.relative_to(outer).parts)}
