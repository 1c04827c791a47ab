"""Names of params.yaml become folders, words of commands and keys for two YAML readers: the same to all."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from trajectory_diffuser.common.completion import with_bases
from trajectory_diffuser.common.consistency import check_consistency
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE, check_schema

WHOLE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / PARAMS_FILE).read_text())
PARAMS = dict(WHOLE)
for _section in ("tasks", "planners", "policies"):  # one entry each is enough, and quick
    PARAMS[_section] = dict([next(iter(PARAMS[_section].items()))])
SECTIONS = {
    "tasks": ("tasks",),
    "planners": ("planners",),
    "policies": ("policies",),
    "experiments": ("experiments",),
    "claims": ("make_report", "claims"),
    "ladders": ("train_behaviour", "ladders"),
}
HOSTILE = ["a\n", "--help", "-x", "x" * 65, "x" * 300, "", ".", "..", "../a", "/a", "a/b", "a b", "a\x00"]
HOSTILE += ["$(touch a)", "`a`", "a;b", "a|b", "*", "{task}", "${run}", "a@b", "a:b", "=", "<<", "!a", "&a"]
HOSTILE += [
    "1e5",
    "0x1",
    "1",
    "012",
    "0o12",
    "1_0",
    "1:30",
    ".inf",
    "_",
    "~",
    "null",
    "Null",
    "true",
    "TRUE",
    "false",
    "yes",
    "No",
    "on",
    "OFF",
]
HOSTILE += ["é", "\u0430", "a\u200b", "\uff41"]  # Cyrillic, with an invisible space, fullwidth
OF_ELSEWHERE = {"clip_actions": False, "licence": "none"}
SOURCES = {
    "ladder": lambda text: {
        "kind": "behaviour",
        "ladder": text,
        "mixture": [{"actors": ["medium"], "noise": 1, "steps": 1}],
    },
    "actor": lambda text: {
        "kind": "behaviour",
        "ladder": "hopper",
        "mixture": [{"actors": [text], "noise": 1, "steps": 1}],
    },
    "dataset": lambda text: {"kind": "minari", "dataset": text} | OF_ELSEWHERE,
    "file": lambda text: {"kind": "d4rl", "file": text, "sha256": None} | OF_ELSEWHERE,
}
PATHS = st.from_regex(r"\A(\.{0,2}/)?[A-Za-z0-9~.-][A-Za-z0-9_.:@/-]{0,70}(-v1)?\n?\Z")
ALMOST = st.from_regex(r"\A[A-Za-z0-9~.-][A-Za-z0-9_.:@-]{0,70}\n?\Z")


def accepted(section: str, name: str) -> bool:
    """Whether `name` may be the name of an entry of this section."""
    params = dict(PARAMS)
    *path, last = SECTIONS[section]
    holder = params
    for key in path:
        holder[key] = dict(holder[key])
        holder = holder[key]
    holder[last] = {name: next(iter(holder[last].values()))}
    try:
        check_schema(params)
    except UserError as error:
        assert f"{name!r} is not valid; use a" in str(error)
        assert "\n" not in str(error)
        return False
    return True


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_in_one_line(section: str, name: str) -> None:
    assert not accepted(section, name)


@pytest.mark.parametrize("section", SECTIONS)
def test_plain_names_of_up_to_64_characters_are_accepted(section: str) -> None:
    for name in ("x", "a2", "nullable", "e5", "n" * 64):
        assert accepted(section, name)


@given(section=st.sampled_from(list(SECTIONS)), name=st.one_of(ALMOST, st.text(max_size=70)))
@example(section="tasks", name="y")
@settings(max_examples=800, deadline=None)
def test_an_accepted_name_means_itself_to_a_shell_a_folder_and_both_yaml_readers(section, name) -> None:
    if accepted(section, name):
        assert 0 < len(name) <= 64
        assert shlex.quote(name) == name and not name.startswith("-")
        assert Path("folder", name).resolve() == Path("folder").resolve() / name
        assert not set(name) & set("@:.,=%+")  # DVC's addresses of stages, Snakemake's of settings
        assert yaml.safe_load(f"[{name}]") == YAML(typ="safe").load(f"[{name}]") == [name]


@given(source=st.sampled_from(list(SOURCES)), text=st.one_of(PATHS, ALMOST, st.text(max_size=70)))
@example(source="file", text="a/../../b")
@example(source="dataset", text="a/../../b-v1")
@settings(max_examples=200, deadline=None)
def test_an_accepted_place_of_data_is_in_its_folder(source, text) -> None:
    (task,) = WHOLE["run"]["tasks"]
    params = WHOLE | {"tasks": {task: WHOLE["tasks"][task] | {"source": SOURCES[source](text)}}}
    try:
        check_schema(params)
        check_consistency(with_bases(params), params["planners"])
    except UserError as error:
        assert "\n" not in str(error)
        assert f"tasks.{task}.source" in str(error)
        return
    if "://" not in text:
        assert Path("folder").resolve() in Path("folder", text).resolve().parents
        assert not any(ord(letter) < 32 for letter in text)
    if source != "file":
        assert shlex.quote(text) == text
