import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import run_stage

ROOT = Path(__file__).parents[2]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run a stage in an empty folder with the shipped params.yaml."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)

    def run(main, *line, arguments=("task", "seed", "planner")):
        monkeypatch.setattr("sys.argv", ["stage.py", *line])
        run_stage(main, *arguments)

    return run


def ignore(params, **_):
    pass


def test_a_stage_gets_the_parameters_and_its_arguments(call):
    seen = {}
    call(lambda params, **rest: seen.update(rest, sections=set(params)), "--seed", "3", arguments=("seed",))
    assert seen["seed"] == 3
    assert "run" in seen["sections"]


def test_a_user_error_is_one_line_and_a_failure(call):
    def main(params):
        raise UserError("params.yaml: run.device: no; use auto")

    with pytest.raises(SystemExit) as caught:
        call(main, arguments=())
    assert caught.value.code == "error: params.yaml: run.device: no; use auto"  # printed to stderr, status 1


def test_other_errors_keep_their_traceback(call):
    def main(params):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(main, arguments=())


@pytest.mark.parametrize("name", ["task", "planner", "policy"])
def test_an_unknown_name_is_refused_with_the_known_ones(call, name):
    with pytest.raises(
        SystemExit, match=f"error: --{name} nonesuch: params.yaml has no such {name}; one of: "
    ):
        call(ignore, f"--{name}", "nonesuch", arguments=(name,))


def test_bad_parameters_are_refused_before_the_stage_starts(call):
    with open("params.yaml", "a") as file:
        file.write("\ncolour: red\n")
    with pytest.raises(SystemExit, match=r"error: params\.yaml: the file: unknown key 'colour'"):
        call(lambda params: pytest.fail("started"), arguments=())


def test_a_stage_that_is_told_to_stop_leaves_nothing_half_written(call, tmp_path):
    # In a process of its own, which nothing but the stage may end.
    stage = tmp_path / "stage.py"
    stage.write_text(
        "import os, signal, sys\n"
        "from trajectory_diffuser.common.stage import run_stage\n"
        "from trajectory_diffuser.computing.files import atomic_directory\n"
        "def main(params):\n"
        "    with atomic_directory('results/output') as work:\n"
        "        (work / 'half').write_text('written')\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "run_stage(main)\n"
    )
    root = Path(__file__).parents[2]
    shutil.copy(root / "params.yaml", tmp_path)
    environment = os.environ | {"PYTHONPATH": str(root / "src")}
    done = subprocess.run([sys.executable, str(stage)], cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 143, done.stderr
    assert list((tmp_path / "results").iterdir()) == []
