from pathlib import Path

import numpy as np
import pytest
from seals import seal
from small_models import CPU, ROW, STATE, make_models

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.evaluation.cell import make_planner, planner_of, run_directory, tuned_row
from trajectory_diffuser.planning.runtime import Runtime

RUNTIME = Runtime("torch", "float32", CPU)


def planner(*rows, seed=0):
    return planner_of([ROW | row for row in rows], make_models(best_return=20.0), RUNTIME, seed)


def test_a_planner_asks_for_its_rows_multiple_of_the_best_return():
    one = planner({"guidance": 1.4, "target_return": 1.5})
    assert one.trajectory_planner.settings.guidance == 1.4
    assert one.target_return == 30.0
    assert one.trajectory_planner.runtime is RUNTIME


def test_rows_of_single_environments_are_planned_for_as_each_on_its_own():
    rows = [{"target_return": 0.5}, {"target_return": 2.0}]
    observation = np.ones((1, STATE))
    together = planner(*({"temperature": 0.0} | row for row in rows)).plan(np.ones((2, STATE)))
    alone = [planner({"temperature": 0.0} | row).plan(observation)[0] for row in rows]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert not np.allclose(alone[0], alone[1])


def test_noise_depends_on_the_seed_and_the_group_and_not_on_the_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def plan(task, seed, *group):
        Path(f"results/runs/{task}/seed{seed}/tuning/a").mkdir(parents=True, exist_ok=True)
        write_json(f"results/runs/{task}/seed{seed}/tuning/a/choice.json", {"values": {}})
        seal(f"results/runs/{task}/seed{seed}/tuning/a/choice.json")
        made = make_planner({"planners": {"a": ROW}}, task, seed, "a", make_models(), RUNTIME, *group)
        return made.plan(np.ones((2, STATE)))

    first = plan("t", 0)
    assert np.array_equal(first, plan("t", 0, 0)) and np.array_equal(first, plan("u", 0))
    for other in (plan("t", 1), plan("t", 0, 1)):
        assert not np.array_equal(first, other)


def test_a_row_is_settled_by_what_was_chosen_for_the_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {"planners": {"a": ROW | {"guidance": "tuned"}}}
    with pytest.raises(UserError, match=r"src/tune\.py --planner a --task t --seed 3$"):
        tuned_row(params, "t", 3, "a")
    Path("results/runs/t/seed3/tuning/a").mkdir(parents=True)
    file = "results/runs/t/seed3/tuning/a/choice.json"
    write_json(file, {"values": {"guidance": 3.0, "temperature": 9.0}})
    seal(file)
    assert tuned_row(params, "t", 3, "a") == ROW | {"guidance": 3.0}


def test_models_lie_under_task_and_seed():
    assert run_directory("t", 3) == Path("results/runs/t/seed3")
