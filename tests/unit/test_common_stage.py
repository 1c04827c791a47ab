import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.stage import ending_with_one_line, run_stage
from trajectory_diffuser.computing.files import write_json

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


VALUES = np.zeros(10_000)
WRITERS = {
    "a file": lambda file: file.write_bytes(VALUES.tobytes()),
    "json": lambda file: write_json(file, VALUES.tolist()),
    "numpy": lambda file: np.save(file, VALUES),
    "numpy, many": lambda file: np.savez(file, values=VALUES),
    "safetensors": lambda file: save_file({"values": VALUES}, file),
    "pandas": lambda file: pd.DataFrame({"values": VALUES}).to_csv(file),
}


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file can grow beyond a thousand bytes, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_line_whichever_library_meets_it(tmp_path, full_disk, writer):
    with pytest.raises(SystemExit) as caught, ending_with_one_line():
        WRITERS[writer](tmp_path / "file")
    line = caught.value.code
    assert line.startswith("error: cannot write")
    assert line.endswith("; make room and run again, nothing is left half-written")
    assert "\n" not in line


def in_safetensors(words):
    return SafetensorError(f'Error while serializing: I/O error: {words} (os error 1) at path "results/x"')


def in_hdf5(words):
    return RuntimeError(f"Unable to create file (name = 'results/x',\nerror message = '{words}', flags = 13)")


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("library", [in_safetensors, in_hdf5, lambda words: OSError(f"{words}: 'results/x'")])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_disk_that_refuses_is_one_line_that_says_what_helps(code, library, wrapped):
    full = code in (errno.ENOSPC, errno.EDQUOT)
    with pytest.raises(SystemExit) as caught, ending_with_one_line():
        try:
            raise library(os.strerror(code))
        except Exception as error:
            if wrapped:
                raise ValueError("could not write the table") from error
            raise
    line = caught.value.code
    assert line.startswith("error: ")
    assert os.strerror(code) in line
    assert "make room" in line if full else "'results/x'" in line.replace('"', "'")
    assert "let this user read and write there" in line or full
    assert "\n" not in line
