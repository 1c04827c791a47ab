from pathlib import Path

import torch
from small_models import ROW, history, make_models

from trajectory_diffuser.evaluation.cell import make_planner, run_directory

PARAMS = {
    "planners": {"a": ROW | {"guidance": "task"}, "b": ROW},
    "tasks": {"t": {"guidance": 1.4}, "u": {"guidance": 1.4}},
}
CPU = torch.device("cpu")


def plan(task, seed, planner, *group):
    return make_planner(PARAMS, task, seed, planner, make_models(), CPU, *group).plan(*history()).states


def test_a_cells_planner_takes_its_guidance_from_the_task():
    assert make_planner(PARAMS, "t", 0, "a", make_models(), CPU).settings.guidance == 1.4
    assert make_planner(PARAMS, "t", 0, "b", make_models(), CPU).settings.guidance == ROW["guidance"]


def test_noise_depends_on_the_cell_and_the_group_alone():
    first = plan("t", 0, "a")
    assert torch.equal(first, plan("t", 0, "a"))
    assert not torch.equal(first, plan("u", 0, "a"))
    assert not torch.equal(first, plan("t", 1, "a"))
    assert torch.equal(first, plan("t", 0, "a", 0))
    assert not torch.equal(first, plan("t", 0, "a", 1))


def test_models_lie_under_task_and_seed():
    assert run_directory("t", 3) == Path("results/runs/t/seed3")
