"""Presets are valid, and never write over another preset's results or the user's own parameters."""

import itertools
import re
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import ROOT, Project, presets

from trajectory_diffuser.common.params import load_params

NAMES = presets["names"]()


def test_params_yaml_is_shipped_as_the_default_preset() -> None:
    shipped, default = (ROOT / "params.yaml").read_text(), presets["preset"]("default")
    assert shipped == default, "make workflow/presets/default.yaml and params.yaml the same again"


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_valid(name: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(presets["preset"](name))
    load_params(tmp_path / "params.yaml")


@cache
def cells(name: str) -> dict[str, Any]:
    """By output, the inputs and parameters of all that dvc.yaml computes with a preset but the report."""
    params = yaml.safe_load(presets["preset"](name))
    names = {"task": params["tasks"], "seed": params["run"]["seeds"], "planner": params["planners"]}
    names |= {"policy": params["policies"], "experiment": params["experiments"]}
    found = {}
    for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values():
        if "matrix" not in stage:
            continue
        for values in itertools.product(*(names[key] for key in stage["matrix"])):
            item = {f"item.{key}": str(value) for key, value in zip(stage["matrix"], values, strict=True)}
            item["run.seeds[0]"] = str(params["run"]["seeds"][0])
            keys = [fill(key, item) for key in stage["params"]]
            settings = {key: reduce(dict.__getitem__, key.split("."), params) for key in keys}
            (output,) = stage["outs"]
            found[fill(output, item)] = [fill(path, item) for path in stage["deps"]], settings
    return found


def fill(text: str, values: dict[str, str]) -> str:
    """The text with each `${name}` replaced."""
    return re.sub(r"\$\{(.+?)\}", lambda found: values[found[1]], text)


@pytest.mark.parametrize(("one", "other"), itertools.combinations(NAMES, 2))
def test_presets_compute_the_same_for_a_task_of_the_same_name(one: str, other: str) -> None:
    both = cells(one).keys() & cells(other).keys()
    differing = sorted(path for path in both if cells(one)[path] != cells(other)[path])
    assert not differing, f"{one} and {other} would overwrite each other: name the task differently in one"


def test_cells_of_the_same_name_are_compared() -> None:
    both = cells("default").keys() & cells("locomotion").keys()
    assert {"data/raw/hopper-medium-replay", "results/runs/hopper-medium-replay/seed0/value"} <= both


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
def test_differences_are_merged_into_mappings_and_replace_everything_else(base, changes, merged) -> None:
    presets["merge"](base, changes)
    assert base == merged


class TestUsePreset:
    def use(self, project: Project, name: str) -> tuple[int, str]:
        done = project.run("python", "workflow/scripts/use_preset.py", name)
        return done.returncode, done.stdout + done.stderr

    def params(self, project: Project) -> str:
        return (project.folder / "params.yaml").read_text()

    def test_default_brings_the_shipped_parameters_back(self, project: Project) -> None:
        project.reset()
        for name in ("smoke", "paper", "default"):
            code, said = self.use(project, name)
            assert code == 0 and f"is now the preset {name} " in said
            assert self.params(project) == presets["preset"](name)
        assert project.run("git", "status", "--porcelain").stdout == ""

    def test_comments_of_the_default_and_of_the_preset_stay(self) -> None:
        text = presets["preset"]("mazes")
        assert text.startswith("# Mazes of growing size")
        assert "base_planner: # what every planner is" in text
        assert "# stay at the goal" in text

    def test_an_unknown_name_lists_the_presets(self, project: Project) -> None:
        project.reset()
        code, said = self.use(project, "smok")
        assert code == 1
        assert said == f"error: there is no preset 'smok'; one of: {', '.join(NAMES)}\n"

    def test_own_edits_are_kept_until_they_are_committed(self, project: Project) -> None:
        project.reset()
        project.replace("seeds: [0, 1, 2]", "seeds: [7]")
        own = self.params(project)
        code, said = self.use(project, "smoke")
        assert code == 1 and "commit them, or undo them with `git checkout params.yaml`" in said
        assert self.params(project) == own
        project.commit()
        assert self.use(project, "smoke")[0] == 0
        project.reset()
        assert self.params(project) == own
        assert self.use(project, "default")[0] == 0
        project.commit()
