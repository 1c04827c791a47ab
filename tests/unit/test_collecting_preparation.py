"""Preparing a raw dataset: what is refused, and what the provenance says."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from seals import seal
from test_collecting_bad_data import D4RL, good
from test_collecting_fetching import HOPPER, MAZE, MAZE_ENTRY, SCORES, SETTINGS

from trajectory_diffuser.collecting.fetching import fetch
from trajectory_diffuser.collecting.preparation import prepare
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json


class TestPreparation:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder whose `raw` is a dataset of the maze: episodes of 40 steps."""
        fetch("toy", MAZE_ENTRY, SETTINGS, tmp_path, tmp_path / "raw")
        return tmp_path

    def prepare(self, folder: Path, **changes: Any) -> None:
        arguments = {"environment": MAZE, "validation_fraction": 0.25, "seed": 0} | changes
        prepare(folder / "raw", folder / "processed", "toy", **arguments)

    def test_missing_dataset(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"raw: no dataset toy-v0.*fetch_dataset\.py --task toy"):
            self.prepare(tmp_path)
        assert not list(tmp_path.iterdir())

    def test_observations_of_another_environment(self, folder: Path) -> None:
        with pytest.raises(
            UserError, match=r"episode 0 has observations of shape \(41, 6\).*needs \(41, 4\)"
        ):
            self.prepare(folder, environment=MAZE | {"observation_keys": ["achieved_goal", "desired_goal"]})
        assert [path.name for path in folder.iterdir()] == ["raw"]

    def test_values_that_are_not_finite(self, folder: Path) -> None:
        with h5py.File(next(folder.rglob("main_data.hdf5")), "a") as file:
            file["episode_2"]["actions"][3, 0] = np.inf
        seal(folder / "raw" / "collection.json")
        with pytest.raises(UserError, match="episode 2 has non-finite actions"):
            self.prepare(folder)
        assert [path.name for path in folder.iterdir()] == ["raw"]


def test_provenance_says_how_the_data_came_to_be(tmp_path: Path) -> None:
    good(tmp_path / "external" / "toy", D4RL)
    entry = {"environment": HOPPER, "source": D4RL | {"licence": "CC BY 4.0"}, "reference_scores": SCORES}
    fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
    prepare(tmp_path / "raw", tmp_path / "processed", "toy", HOPPER, 0.0, 0)
    provenance = read_json(tmp_path / "processed" / "provenance.json")
    assert provenance["licence"] == "CC BY 4.0"
    assert provenance["final_observations"] is False
    assert len(provenance["origin"]["sha256"]) == 64
