"""params.yaml with something changed, and the line that refuses it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import ROOT

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE, load_params

BASE = yaml.safe_load((ROOT / PARAMS_FILE).read_text())
TASK = BASE["run"]["tasks"][0]
REMOVED = object()

# What is changed; the key that the message must begin with; what else it must say (the remedy among it).
Mistakes = dict[str, tuple[dict[str, Any], str, list[str]]]


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The shipped parameters with the values at dotted keys replaced; TASK stands for the first task."""
    params = copy.deepcopy(BASE)
    for key, value in changes.items():
        *path, last = key.split(".")
        section = params
        for name in path:
            section = section[TASK if name == "TASK" else name]
        if value is REMOVED:
            del section[last]
        else:
            section[TASK if last == "TASK" else last] = copy.deepcopy(value)
    return params


def message(tmp_path: Path, text: str) -> str:
    """The one line, without the file's name, that refuses a params.yaml of this text."""
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_params(file)
    line = str(caught.value)
    assert line.startswith(f"{file}: ")
    assert "\n" not in line
    return line.removeprefix(f"{file}: ")


def is_refused(tmp_path: Path, changes: dict[str, Any], key: str, says: list[str]) -> None:
    """Check that these changes are refused in a line that begins with the key and says so."""
    line = message(tmp_path, yaml.safe_dump(changed(changes), sort_keys=False))
    assert line.startswith(f"{key.replace('TASK', TASK)}: ")
    for part in says:
        assert part in line
