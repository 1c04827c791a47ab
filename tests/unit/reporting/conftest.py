"""A made-up run and its report."""

import copy
import shutil
from pathlib import Path

import pytest
from reporting.made_up_run import made_up_params, write_run

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.reading import read_results


@pytest.fixture
def params() -> dict:
    """Parameters of the made-up run."""
    return made_up_params()


@pytest.fixture(scope="session")
def made_up_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository's root that holds every artefact of that run, to be left as it is."""
    root = tmp_path_factory.mktemp("run")
    write_run(made_up_params(), root)
    return root


@pytest.fixture(scope="session")
def full_report(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the whole made-up run, drawn once for the tests that only look at it."""
    folder = tmp_path_factory.mktemp("report")
    write_report(read_results(made_up_params(), made_up_root), folder)
    return folder


@pytest.fixture(scope="session")
def read_once(made_up_root: Path) -> Results:
    return read_results(made_up_params(), made_up_root)


@pytest.fixture
def results(read_once: Results) -> Results:
    """The results of that run, to be changed in memory."""
    return copy.deepcopy(read_once)


@pytest.fixture
def root(made_up_root: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return shutil.copytree(made_up_root, tmp_path, dirs_exist_ok=True)
