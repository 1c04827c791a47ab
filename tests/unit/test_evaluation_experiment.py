"""Experiments, against what single planners do and against brute force."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_models import ROW, make_models, save_choices, save_models

import evaluate_experiment
import measure_experiment
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import planner_of, run_directory
from trajectory_diffuser.evaluation.experiment import points
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.evaluation.situations import PLANS_EACH, plans_in_situations, spread
from trajectory_diffuser.planning.runtime import Runtime

RUNTIME = Runtime("torch", "float32", torch.device("cpu"))
CHOSEN = {"guidance": 1.5, "temperature": 0.4, "target_return": 1.1}


@pytest.fixture
def params(project_params):
    """A project with tuned planners and an experiment."""
    params = project_params
    params["evaluate"]["first_environment_seed"] = 90
    params["experiments"] = {
        "mine": {
            "planners": ["trajectory_diffuser", "ddim"],
            "vary": {"refine_steps": [0, 3], "temperature": [0.0, 0.5]},
            "episodes": 2,
        }
    }
    save_models(run_directory("task", 4), make_models())
    save_choices(run_directory("task", 4), ("trajectory_diffuser", "ddim"), CHOSEN)
    return params


def row(params, name, **changes):
    return params["planners"][name] | CHOSEN | changes


def test_combinations_that_are_no_other_planner_are_left_out():
    vary = {"refine_steps": [0, 2], "guidance": [1.0, 2.0]}
    draft = ROW | {"start": "draft", "sampler": "ddpm"}
    assert [tuple(point.values()) for point in points(draft, vary, 20)] == [
        (0, 1.0),  # without refinement any guidance is the same
        (2, 1.0),
        (2, 2.0),
    ]
    from_noise, ancestral = (ROW | {"start": "noise", "sampler": sampler} for sampler in ("ddim", "ddpm"))
    assert [point["refine_steps"] for point in points(from_noise, vary, 20)] == [2, 2]
    assert points(ancestral, vary, 20) == []
    assert points(ancestral, {"refine_steps": [10, 20]}, 20) == [{"refine_steps": 20}]
    assert len(points(ancestral | {"refine_steps": "all"}, {"guidance": [1.0]}, 20)) == 1
    part = {"refine_steps": [1, 5], "last_steps": [1, 10]}
    assert [tuple(point.values()) for point in points(draft, part, 20)] == [(1, 1), (1, 10), (5, 10)]
    assert points(from_noise, part, 20) == []
    chosen = points(draft, {"candidates": [1, 4], "temperature": [0.0, 0.5]}, 20)
    assert [tuple(point.values()) for point in chosen] == [(1, 0.0), (1, 0.5), (4, 0.5)]
    sampled = points(from_noise, {"sampler": ["ddpm", "ddim"], "refine_steps": [5, 20]}, 20)
    assert [tuple(point.values()) for point in sampled] == [("ddpm", 20), ("ddim", 5), ("ddim", 20)]


def test_each_point_is_the_tuned_planner_with_what_is_varied(params):
    evaluate_experiment.main(params, "task", 4, "mine")
    folder = Path("results/runs/task/seed4/experiments/mine")
    episodes = pd.read_csv(folder / "episodes.csv")
    assert len(episodes) == 2 * (3 + 2) and set(episodes["environment_seed"]) == {90, 91}
    # At temperature 0 nothing is random: a planner made by hand does the same.
    models = make_models()
    for name, calls in (("trajectory_diffuser", 0), ("trajectory_diffuser", 3), ("ddim", 3)):
        agent = planner_of([row(params, name, refine_steps=calls, temperature=0.0)], models, RUNTIME, 0)
        truth = run_episodes(agent, params["tasks"]["task"]["environment"], [90, 91], None, "truth")
        own = episodes.query(f"planner == '{name}' and refine_steps == {calls} and temperature == 0")
        np.testing.assert_allclose(own["return"], truth.returns, rtol=1e-6)
    spreads = pd.read_csv(folder / "points.csv").set_index(["planner", "refine_steps", "temperature"])
    assert spreads.loc[("trajectory_diffuser", 0, 0.0), "plan_distance"] == 0  # a draft is no sample
    assert spreads.loc[("ddim", 3, 0.0), "plan_distance"] == pytest.approx(0, abs=1e-6)
    assert spreads.loc[("ddim", 3, 0.5), "plan_distance"] > 0.01
    assert spreads.loc[("ddim", 3, 0.5), "action_deviation"] > 0


def test_each_point_is_timed(params):
    params["run"]["seeds"] = [4]
    params["measure_latency"] |= {"warmup": 0, "repetitions": 3, "threads": 1}
    params["experiments"]["mine"]["vary"] = {"refine_steps": [0, 2, 10]}
    measure_experiment.main(params, "task", "mine")
    table = pd.read_csv("results/runs/task/experiment_latency/mine/points.csv")
    assert list(table) == ["planner", "refine_steps", "milliseconds"]
    assert table[["planner", "refine_steps"]].to_numpy().tolist() == [
        *(["trajectory_diffuser", steps] for steps in (0, 2, 10)),
        *(["ddim", steps] for steps in (2, 10)),
    ]
    assert (table["milliseconds"] > 0).all()


def test_the_same_experiment_gives_the_same_bytes(params):
    files = []
    for _ in range(2):
        evaluate_experiment.main(params, "task", 4, "mine")
        folder = Path("results/runs/task/seed4/experiments/mine")
        files.append([(folder / name).read_bytes() for name in ("points.csv", "episodes.csv")])
    assert files[0] == files[1]


def test_the_spread_is_that_of_all_pairs_of_plans(params):
    dataset, models = PreparedDataset.load("data/processed/task"), make_models()
    planner = planner_of([row(params, "ddim", refine_steps=3, temperature=0.5)], models, RUNTIME, 7)
    plan = plans_in_situations(planner, dataset)
    found = spread(plan)
    states = plan.states.double().unflatten(0, (-1, PLANS_EACH)).numpy()  # [situations, plans, H, state]
    squares = [
        np.square(situation[one, 1:] - situation[other, 1:]).mean()
        for situation in states
        for one, other in combinations(range(PLANS_EACH), 2)
    ]
    assert found["plan_distance"] == pytest.approx(np.sqrt(np.mean(squares)))
    actions = plan.action.double().unflatten(0, (-1, PLANS_EACH)).numpy()
    assert found["action_deviation"] == pytest.approx(np.sqrt(actions.var(axis=1, ddof=1).mean()))
