"""What the graph and integration tests share."""

import pytest
from project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the shipped params.yaml."""
    return Project(tmp_path_factory.mktemp("project") / "copy")
