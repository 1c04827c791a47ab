"""Which way plans go: planted shares are found, and plans between the ways."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from small_models import CPU, ROW, make_models

import evaluate_plans
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.environments.fork import MAP
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.environments.ways import DATA, way_shares
from trajectory_diffuser.evaluation import experiment, ways
from trajectory_diffuser.evaluation.situations import PLANS_EACH
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

MAZE = Maze(MAP)
CORNERS = {  # of paths from (0, -1) to (0, 1), round the block in the middle and through it
    "shortest": [(0, -1), (-1, -1), (-1, 1), (0, 1)],
    "detour": [(0, -1), (1, -1), (1, 1), (0, 1)],
    "through": [(0, -1), (0, 1)],
    "neither": [(0, -1), (-0.4, -0.9)],
}
RUNTIME = Runtime("torch", "float32", CPU)


def paths(count, kind, states=30):
    """Paths [count, states, 6] with the goal behind their positions."""
    corners = np.array(CORNERS[kind], float)
    along = np.linspace(0, len(corners) - 1, states)
    path = np.stack([np.interp(along, range(len(corners)), axis) for axis in corners.T], axis=-1)
    whole = np.concatenate([path, np.zeros((states, 2)), np.tile([0.0, 1.0], (states, 1))], axis=-1)
    return np.tile(whole, (count, 1, 1)).astype(np.float32)


@pytest.fixture
def dataset(project_params):
    """Four episodes: three left round the block, one right, which is held out."""
    whole = PreparedDataset.load("data/processed/task")
    kinds = ["shortest"] * 3 + ["detour"]
    lengths = np.diff(whole.episode_offsets) + 1
    observations = [paths(1, kind, length)[0] for kind, length in zip(kinds, lengths, strict=True)]
    provenance = whole.provenance | {"maze": MAZE.to_json()}
    project_params["tasks"]["task"]["source"] = {"detours": 0.2}
    return replace(whole, observations=np.concatenate(observations), provenance=provenance)


@pytest.fixture
def planted(monkeypatch, project_params):
    """Planners that plan given paths, wherever they are asked; `planted.starts` is where that was."""
    found = SimpleNamespace(plans={}, starts={})

    def planner(rows, *_):
        (name,) = rows
        return SimpleNamespace(plan=lambda present: found.starts.update({name: present}) or found.plans[name])

    monkeypatch.setattr(ways, "tuned_row", lambda params, task, seed, name: name)
    monkeypatch.setattr(ways, "planner_of", planner)
    project_params["run"]["planners"] = ["draft", "ddim"]
    return found


def test_planted_shares_are_found():
    counts = {"shortest": 11, "detour": 5, "through": 3, "neither": 1}
    planned = np.concatenate([paths(count, kind) for kind, count in counts.items()])
    found = way_shares(planned, MAZE)
    assert found == pytest.approx({kind: count / 20 for kind, count in counts.items()})


def test_a_plan_that_cuts_the_corner_or_jumps_over_the_block_goes_through():
    cut, jump = paths(1, "shortest"), paths(1, "shortest")
    cut[0, 1:-1, 0] += 0.55  # x = -0.45, inside the block
    jump[0, 15:] = paths(1, "detour")[0, 15:]
    assert way_shares(np.concatenate([cut, jump]), MAZE)["through"] == 1


def test_where_there_is_one_way_nobody_takes_the_other():
    one_way = MAZE.without(MAZE.cells(np.array([1.0, 0.0])))
    share = way_shares(np.concatenate([paths(1, "shortest"), paths(1, "neither")]), one_way)
    assert share == {"shortest": 0.5, "detour": 0.0, "through": 0.0, "neither": 0.5}


def test_ways_from_several_starts_are_each_start_s_own():
    back = paths(4, "detour")[:, ::-1].copy()
    back[..., -2:] = [0.0, -1.0]
    share = way_shares(np.concatenate([paths(4, "shortest"), back]), MAZE)
    assert share["through"] == share["neither"] == 0
    assert {share["shortest"], share["detour"]} in ({0.5}, {1.0, 0.0})
    alone = way_shares(back, MAZE)
    assert share["shortest"] == pytest.approx((1 + alone["shortest"]) / 2)


def test_every_planner_plans_at_held_out_starts_and_the_data_stand_first(project_params, dataset, planted):
    planted.plans = {"draft": paths(8, "through"), "ddim": np.concatenate([paths(6, "shortest")] * 2)}
    models = make_models(horizon=16)
    table, positions = ways.plan_ways(project_params, "task", 4, dataset, models, RUNTIME)
    table = table.set_index("planner")
    assert table.index.tolist() == [DATA, "draft", "ddim"]
    assert table.loc[DATA, ["shortest", "detour", "plans"]].tolist() == [0.75, 0.25, 4]
    assert table.loc["draft", ["through", "plans"]].tolist() == [1, 8]
    assert table.loc["ddim", ["shortest", "plans"]].tolist() == [1, 12]
    assert positions["draft"].shape == (8, 30, 2) and positions[DATA].shape == (4, 16, 2)
    held_out_start = dataset.observations[dataset.observation_bounds(np.array([3]))[0]]
    for present in planted.starts.values():
        np.testing.assert_array_equal(present, np.repeat(held_out_start, PLANS_EACH, axis=0))


def test_an_experiment_has_the_ways_of_each_of_its_points(project_params, dataset, monkeypatch):
    def planner(rows, *_):
        way = "detour" if rows[0]["temperature"] else "shortest"
        return SimpleNamespace(plan=lambda present: paths(len(present), way))

    row = ROW | {"start": "noise", "sampler": "ddim", "refine_steps": 2}
    project_params["experiments"] = {
        "warmth": {"planners": ["ddim"], "vary": {"temperature": [0.0, 1.0]}, "episodes": 1}
    }
    monkeypatch.setattr(experiment.PreparedDataset, "load", lambda _: dataset)
    monkeypatch.setattr(experiment, "tuned_row", lambda *_: row)
    monkeypatch.setattr(experiment, "planner_of", planner)
    monkeypatch.setattr(experiment, "plans_in_situations", lambda *_: None)
    monkeypatch.setattr(experiment, "spread", lambda _: {"plan_distance": 0.0})
    monkeypatch.setattr(experiment, "action_entropy", lambda *_: 0.0)
    monkeypatch.setattr(experiment, "state_coverage", lambda *_: 0.0)
    monkeypatch.setattr(experiment.Plane, "of", lambda _: None)
    monkeypatch.setattr(experiment, "evaluate_episodes", lambda *_: (pd.DataFrame({"return": [1.0]}), None))
    models = SimpleNamespace(diffusion=SimpleNamespace(diffusion_steps=10))
    points, _ = experiment.evaluate_points(project_params, "task", 4, "warmth", models, RUNTIME)
    assert points["shortest"].tolist() == [1, 0] and points["detour"].tolist() == [0, 1]


def test_the_stage_looks_only_where_the_data_have_detours(project_params, dataset, planted, monkeypatch):
    folder = "results/runs/task/seed4/diagnosis"
    planted.plans = {"draft": paths(2, "through"), "ddim": paths(2, "detour")}
    monkeypatch.setattr(PlanningModels, "load", lambda *_: make_models(horizon=16))
    for name in ("draft_errors", "plan_signs"):
        monkeypatch.setattr(evaluate_plans, name, lambda *_: pd.DataFrame({"step": [1]}))
    monkeypatch.setattr(evaluate_plans, "plan_fans", lambda *_: {"ddim": np.zeros(1)})
    monkeypatch.setattr(evaluate_plans.PreparedDataset, "load", lambda _: dataset)
    evaluate_plans.main(project_params, "task", 4)
    assert pd.read_csv(f"{folder}/ways.csv")["planner"].tolist() == [DATA, "draft", "ddim"]
    assert set(np.load(f"{folder}/fans.npz")) == {"ddim"}  # of a maze, whatever its ways
    assert set(np.load(f"{folder}/ways.npz")) == {DATA, "draft", "ddim"}
    project_params["tasks"]["task"]["source"] = {}
    evaluate_plans.main(project_params, "task", 4)
    with pytest.raises(FileNotFoundError):
        np.load(f"{folder}/ways.npz")
    assert set(np.load(f"{folder}/fans.npz")) == {"ddim"}
