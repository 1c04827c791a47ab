"""Fans of plans: they begin where the planner's denoising does, and end as its plans."""

from pathlib import Path

import numpy as np
import pytest
from small_models import CPU, HORIZON, STATE, make_models, save_choices

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import planner_of, run_directory, tuned_row
from trajectory_diffuser.evaluation.fans import MOMENTS, TEMPERATURE, plan_fans
from trajectory_diffuser.evaluation.situations import PLANS_EACH
from trajectory_diffuser.planning.runtime import Runtime

RUNTIME = Runtime("torch", "float32", CPU)
PLANNERS = ["draft", "trajectory_diffuser", "full_diffusion", "ddim_2", "best_of_32"]
CHOSEN = {"guidance": 2.0, "temperature": 0.4, "target_return": 1.1}


@pytest.fixture
def params(project_params):
    """A project with tuned planners."""
    project_params["run"]["planners"] = PLANNERS
    save_choices(run_directory("task", 4), PLANNERS, CHOSEN)
    return project_params


def test_fans_begin_at_the_noise_level_of_the_start_and_end_with_the_plans(params):
    dataset, models = PreparedDataset.load(Path("data/processed/task")), make_models()
    fans = plan_fans(params, "task", 4, dataset, models, RUNTIME)
    assert list(fans) == PLANNERS[1:]  # a draft alone is not denoised
    lengths = {"trajectory_diffuser": 6, "full_diffusion": MOMENTS, "ddim_2": 3, "best_of_32": 6}
    present = dataset.observations[[20 + 30 + 25 + 3] * PLANS_EACH]  # the first of the held-out episode
    for name, fan in fans.items():
        assert fan.shape == (lengths[name], PLANS_EACH, HORIZON, 2)
        np.testing.assert_allclose(
            fan[:, :, 0], np.broadcast_to(present[0, :2], fan[:, :, 0].shape), atol=1e-5
        )
        if name == "best_of_32":  # the first of all candidates, not the best
            continue
        seed = derive_seed("fans", 4, name)
        row = tuned_row(params, "task", 4, name) | {"temperature": TEMPERATURE}
        plans = planner_of([row], models, RUNTIME, seed).plan(present)
        assert plans.shape == (PLANS_EACH, HORIZON, STATE)
        np.testing.assert_allclose(fan[-1], plans[..., :2], atol=1e-5)
    moved = np.abs(np.diff(fans["full_diffusion"], axis=0))[:, :, 1:].mean(axis=(1, 2, 3))
    assert (moved > 0).all()
