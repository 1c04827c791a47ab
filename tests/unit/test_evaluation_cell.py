from pathlib import Path

import numpy as np
from small_models import CPU, ROW, STATE, make_models

from trajectory_diffuser.evaluation.cell import make_planner, run_directory
from trajectory_diffuser.planning.runtime import Runtime

PARAMS = {
    "planners": {"a": ROW | {"guidance": "task"}, "b": ROW},
    "tasks": {"t": {"guidance": 1.4, "target_return": 5.0}, "u": {"guidance": 1.4, "target_return": 5.0}},
}
RUNTIME = Runtime("torch", "float32", CPU)


def planner_of(task, seed, planner, *group):
    return make_planner(PARAMS, task, seed, planner, make_models(), RUNTIME, *group)


def plan(task, seed, planner, *group):
    return planner_of(task, seed, planner, *group).plan(np.ones((2, STATE)))


def test_a_cells_planner_takes_guidance_and_target_from_the_task():
    assert planner_of("t", 0, "a").trajectory_planner.settings.guidance == 1.4
    assert planner_of("t", 0, "b").trajectory_planner.settings.guidance == ROW["guidance"]
    assert planner_of("t", 0, "a").target_return == 5.0
    assert planner_of("t", 0, "a").trajectory_planner.runtime is RUNTIME


def test_noise_depends_on_the_cell_and_the_group_alone():
    first = plan("t", 0, "a")
    assert np.array_equal(first, plan("t", 0, "a"))
    assert not np.array_equal(first, plan("u", 0, "a"))
    assert not np.array_equal(first, plan("t", 1, "a"))
    assert np.array_equal(first, plan("t", 0, "a", 0))
    assert not np.array_equal(first, plan("t", 0, "a", 1))


def test_models_lie_under_task_and_seed():
    assert run_directory("t", 3) == Path("results/runs/t/seed3")
