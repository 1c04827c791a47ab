"""What is exported acts as the library does, with the same noise."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from project import ROOT
from small_models import STATE, make_models, shipped_rows

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner

sys.path.insert(0, str(ROOT / "examples"))
from act_without_torch import ExportedPlanner

ROWS = shipped_rows()
STEPS = 12


def make_planner(row: dict, stride: int = 1) -> Planner:
    models = make_models(stride=stride)
    settings = PlannerSettings.from_row(row, models.diffusion.diffusion_steps)
    runtime = Runtime("torch", "float32", torch.device("cpu"))
    return Planner(TrajectoryPlanner(models, settings, runtime), target_return=50.0, seed=3)


class SameNoise:
    """Stands in for numpy's generator and draws what torch's would."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def standard_normal(self, shape: list[int], _: type) -> np.ndarray:
        return torch.randn(shape, generator=self.generator).numpy()


@pytest.mark.parametrize(("name", "stride"), [*((name, 1) for name in ROWS), ("candidates", 1), ("ddim", 3)])
def test_every_row_acts_without_torch_as_in_the_library(name: str, stride: int, tmp_path: Path) -> None:
    row = ROWS.get(name) or ROWS["full_diffusion"] | {"candidates": 3}
    planner = make_planner(row, stride)
    planner.export(tmp_path / "exported")
    exported = ExportedPlanner(tmp_path / "exported", seed=0)
    exported.generator = SameNoise(3)
    observations = np.random.default_rng(0).normal(size=(STEPS, STATE))
    for step, observation in enumerate(observations):
        reward = None if step == 0 else 0.5 * step
        np.testing.assert_allclose(
            exported.act(observation, reward), planner.act(observation, reward), atol=1e-4
        )


def test_the_description_has_what_a_program_needs(tmp_path: Path) -> None:
    planner = make_planner(ROWS["trajectory_diffuser"])
    planner.export(tmp_path / "exported")
    about = json.loads((tmp_path / "exported" / "planner.json").read_text())
    models = planner.trajectory_planner.models
    assert about["target_return"] == 50.0
    assert about["return_scale"] == models.return_scale
    assert about["normaliser"] == models.normaliser.to_json()
    assert about["action_bounds"] == models.action_bounds.tolist()
    assert about["environment"] == models.environment
    assert about["row"]["timesteps"] == [5, 4, 3, 2, 1]
    assert {"task", "commit", "versions"} <= set(about["card"])


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    planner = make_planner(ROWS["draft"])
    with pytest.raises(UserError, match="holds no exported planner; name another folder"):
        planner.export(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    planner.export(tmp_path / "new")
    planner.export(tmp_path / "new")  # an earlier export is replaced
