"""Presets are complete parameter files, written from what each changes against params.yaml."""

import runpy
from pathlib import Path

import pytest

from trajectory_diffuser.common.params import load_params

ROOT = Path(__file__).parents[2]
PRESETS = ROOT / "workflow" / "presets"
NAMES = sorted(path.name for path in PRESETS.glob("*.yaml"))
make_presets = runpy.run_path(str(ROOT / "workflow" / "scripts" / "make_presets.py"))


def test_every_preset_has_a_file_of_differences_and_the_other_way_round():
    assert sorted(path.name for path in (PRESETS / "differences").glob("*.yaml")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_what_make_presets_writes_now(name):
    written = make_presets["preset"](PRESETS / "differences" / name)
    assert (PRESETS / name).read_text() == written, "run: python workflow/scripts/make_presets.py"


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_valid_and_has_the_tasks_that_it_runs(name):
    params = load_params(PRESETS / name)
    assert set(params["run"]["tasks"]) <= set(params["tasks"])


@pytest.mark.parametrize(
    ("base", "changes", "merged"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": None}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
    ],
)
def test_differences_are_merged_into_mappings_and_replace_everything_else(base, changes, merged):
    make_presets["merge"](base, changes)
    assert base == merged
