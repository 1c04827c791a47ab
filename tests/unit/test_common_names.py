"""Names of params.yaml become folders, words of commands and keys for two YAML readers: the same to all."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE, check_schema

PARAMS: dict[str, Any] = yaml.safe_load((Path(__file__).parents[2] / PARAMS_FILE).read_text())
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
HOSTILE += ["1e5", "0x1", "1", "_", "~", "null", "Null", "true", "TRUE", "false", "yes", "No", "on", "OFF"]
HOSTILE += ["é", "\u0430", "a\u200b", "\uff41"]  # Cyrillic, with an invisible space, fullwidth
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
