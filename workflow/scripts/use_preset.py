"""Write a preset to params.yaml.

python workflow/scripts/use_preset.py smoke      params.yaml becomes the preset smoke
python workflow/scripts/use_preset.py default    params.yaml becomes the shipped one again

workflow/presets/default.yaml is what params.yaml is shipped as; the other files there say what they change
in it, as a JSON Merge Patch (RFC 7396): a mapping is merged into the default's mapping, null removes a key,
anything else replaces it. Only `tasks` is replaced as a whole. A task that says `like: OTHER` is task OTHER,
from above it in the same file or else from the default, with these differences.

Presets share the folders of results: where two have a task of the same name, they compute the same for it.
"""

import argparse
import copy
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.representer import RoundTripRepresenter

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from trajectory_diffuser.common.stage import ending_with_one_line  # noqa: E402
from trajectory_diffuser.computing.files import atomic_file  # noqa: E402

PRESETS = ROOT / "workflow" / "presets"
PARAMS = ROOT / "params.yaml"
DEFAULT = "default"
USE = """\
# Written by `python workflow/scripts/use_preset.py {name}`; `use_preset.py default` goes back.
# Each key is described in src/trajectory_diffuser/common/params.schema.yaml.
"""


class Representer(RoundTripRepresenter):
    """Writes null as `null`, not as nothing."""


Representer.add_representer(type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null"))
yaml = YAML()
yaml.Representer = Representer
yaml.width = 4096  # one line stays one line
yaml.indent(mapping=2, sequence=4, offset=2)


def main() -> None:
    """Write the preset that the command line names, unless that would lose the user's own parameters."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("name", metavar="PRESET", help=f"one of: {', '.join(names())}")
    name = parser.parse_args().name
    if name not in names():
        sys.exit(f"error: there is no preset {name!r}; one of: {', '.join(names())}")
    if not is_kept_elsewhere(PARAMS):
        sys.exit(
            "error: params.yaml has edits of your own, which would be lost; commit them, or undo them with "
            "`git checkout params.yaml`"
        )
    with ending_with_one_line(), atomic_file(PARAMS) as work:
        work.write_text(preset(name))
    tasks = ", ".join(yaml.load(PARAMS)["run"]["tasks"])
    print(f"params.yaml is now the preset {name} (workflow/presets/{name}.yaml), which runs: {tasks}")


def names() -> list[str]:
    """The presets, the default first."""
    others = {path.stem for path in PRESETS.glob("*.yaml")} - {DEFAULT}
    return [DEFAULT, *sorted(others)]


def is_kept_elsewhere(params: Path) -> bool:
    """Whether params.yaml can be brought back: a preset's, the last commit's, or not there at all."""
    if not params.exists():
        return True
    text = params.read_text()
    if any(text == preset(name) for name in names()):
        return True
    try:
        committed = subprocess.run(
            ["git", "show", f"HEAD:./{params.name}"], cwd=params.parent, capture_output=True, text=True
        )
    except OSError:
        return False
    return committed.returncode == 0 and committed.stdout == text


def preset(name: str) -> str:
    """The text of params.yaml with a preset."""
    text = (PRESETS / f"{name}.yaml").read_text()
    if name == DEFAULT:
        return text
    params, changes = yaml.load(PRESETS / f"{DEFAULT}.yaml"), yaml.load(text)
    tasks, originals = params["tasks"], dict(params["tasks"])
    tasks.clear()
    for task_name, task in changes.pop("tasks").items():
        if other := task.pop("like", None):
            tasks[task_name] = copy.deepcopy(tasks.get(other) or originals[other])
            merge(tasks[task_name], task)
        else:
            tasks[task_name] = task
    merge(params, changes)
    stream = StringIO()
    yaml.dump(params, stream)
    # Without the default's header; one blank line between sections and between tasks, none elsewhere.
    body = re.sub(r"\A(#.*\n|\n)+|(?<=\n)\n+", "", stream.getvalue())
    body = re.sub(r"\n(?=\w)", "\n\n", body)
    body = re.sub(r"(?<!tasks:)\n(?=  [\w-]+:\n    environment:)", "\n\n", body)
    # The header is the preset's: what it is, and details after an empty line.
    what, empty, details = re.match(r"(#.*\n)*", text)[0].partition("#\n")
    return what + USE.format(name=name) + empty + details + "\n" + body


def merge(base: dict, changes: dict) -> None:
    """Apply a JSON Merge Patch in place."""
    for key, value in changes.items():
        if value is None:
            base.pop(key, None)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            merge(base[key], value)
        else:
            base[key] = value


if __name__ == "__main__":
    main()
