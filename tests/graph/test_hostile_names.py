"""A sample of the hostile names of which `make test-faults` has 1,000; names that YAML readers dispute."""

from pathlib import Path

import pytest
from hostile import (
    AMBIGUOUS,
    NAMES,
    assert_refused,
    hostile_starts,
    replaced,
)
from project import Project

AT_ONCE = {"snakemake": 1, "dvc": 4}  # a start of DVC's takes seconds


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("outer") / "within" / "copy", preset="smoke")


@pytest.mark.parametrize("engine", AT_ONCE)
def test_a_hostile_name_in_any_place_is_refused(smoke: Project, engine: str, tmp_path: Path) -> None:
    assert_refused(smoke, engine, hostile_starts(range(24), AT_ONCE[engine]), tmp_path)


@pytest.mark.parametrize("engine", AT_ONCE)
def test_a_name_that_is_another_to_the_other_engine_is_refused(
    smoke: Project, engine: str, tmp_path: Path
) -> None:
    starts = [replaced(NAMES[index % len(NAMES)], name) for index, name in enumerate(AMBIGUOUS)]
    assert_refused(smoke, engine, starts, tmp_path)
