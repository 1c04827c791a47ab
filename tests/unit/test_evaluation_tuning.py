"""The tuning stages, in environments whose returns are known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from seals import seal
from small_environments import COUNTING, broken
from small_models import ACTION, make_models, make_policy, save_models

import evaluate
import tune
import tune_policy
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.planning.agent import Agent
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.policy import PolicyModel

RUN, TUNING = Path("results/runs/task/seed4"), Path("results/runs/task/seed4/tuning")
GRID = {"guidance": [1.0, 2.0, 3.0], "temperature": [0.1, 0.5], "target_return": [0.8, 1.0, 1.3]}
KEYS = list(GRID)
BEST = 30.0  # of the returns in the data of `make_project`


@pytest.fixture
def params(project_params):
    """Parameters of a project with data and the models of training seed 4."""
    params = project_params
    params["run"]["seeds"] = [0, 4]
    params["tune"] |= {"episodes": 36, "finalists": 3, "first_environment_seed": 7, "grid": GRID}
    params["tune"] |= {"equal_within": 0.0}
    params["evaluate"] |= {"episodes": 3, "first_environment_seed": 90}
    save_models(RUN, make_models(best_return=BEST))
    return params


def choice(name):
    (file,) = RUN.glob(f"*tuning/{name}/choice.json")
    return read_json(file)


def trials(name):
    return pd.read_csv(TUNING / name / "trials.csv")


class Obliging(Agent):
    """In each environment acts as well as its row is near the planted one; returns grow with the actions."""

    def __init__(self, rows, planted, models, runtime):
        super().__init__(models, runtime, 1.0)
        self.quality = [1 - sum(abs(row[key] - planted[key]) for key in KEYS) for row in rows]

    def _decide(self, deterministic):
        quality = torch.tensor(self.quality)[self.memory.environments]
        return quality[:, None].expand(-1, ACTION)


def plant(monkeypatch, planted):
    """Put agents that prefer one point of the grid in the planners' place."""
    monkeypatch.setattr(
        tune, "planner_of", lambda rows, models, runtime, _: Obliging(rows, planted, models, runtime)
    )


@pytest.mark.parametrize("planted", [(3.0, 0.1, 1.3), (1.0, 0.5, 1.0), (2.0, 0.1, 0.8)])
def test_a_planted_optimum_is_found(params, monkeypatch, planted):
    planted = dict(zip(KEYS, planted, strict=True))
    plant(monkeypatch, planted)
    tune.main(params, "task", 4, "trajectory_diffuser")
    found = choice("trajectory_diffuser")
    assert found["values"] == planted
    assert found["target_return"] == planted["target_return"] * BEST
    # The optimum's scores, from the environment's own rule: reward seed + sum of all actions so far.
    returns = [sum(seed + 2 * step for step in range(1, 4 + seed % 3)) for seed in range(7, 14)]
    assert found["score"] == pytest.approx(np.mean([10 * (value - 2) for value in returns]))
    table = trials("trajectory_diffuser")
    there = np.logical_and.reduce([table[key] == value for key, value in planted.items()])
    np.testing.assert_allclose(table.loc[there, "return"], returns)
    assert found["seed"] == 4 and found["episodes"] == 36
    # One for each of 18 points, then six for each of three finalists.
    assert sorted(point["episodes"] for point in found["scores"]) == [1] * 15 + [7] * 3


def test_a_planted_target_is_found_for_a_policy_by_what_it_is_asked_for(params, monkeypatch):
    def network(tokens):  # acts best while 1.3 times the best return is still to come
        asked = tokens[..., -1:] * 10 / BEST
        return (1 - (asked - 1.3).abs()).expand(*tokens.shape[:-1], ACTION)

    model = make_policy(network, best_return=BEST, return_scale=10.0).units
    monkeypatch.setattr(PolicyModel, "load", lambda *_: model)
    params["tasks"]["task"]["environment"] = COUNTING | {"max_episode_steps": 1}
    tune_policy.main(params, "task", 4, "return_conditioned_cloning")
    assert choice("return_conditioned_cloning")["values"] == {"target_return": 1.3}
    assert [point["episodes"] for point in choice("return_conditioned_cloning")["scores"]] == [12] * 3


def test_of_equal_points_the_first_is_chosen(params, monkeypatch):
    plant(monkeypatch, {key: 0.0 for key in KEYS})
    monkeypatch.setattr(Obliging, "_decide", lambda self, _: torch.zeros(len(self.memory.tokens), ACTION))
    tune.main(params, "task", 4, "trajectory_diffuser")
    assert choice("trajectory_diffuser")["values"] == {key: values[0] for key, values in GRID.items()}


@pytest.mark.parametrize(("margin", "chosen"), [(0.0, 2.0), (9.9, 2.0), (10.1, 1.0), (1000.0, 1.0)])
@pytest.mark.parametrize("finalists", [1, 6])
def test_of_points_within_the_margin_one_of_half_the_cost_is_chosen(
    params, monkeypatch, margin, chosen, finalists
):
    gains = {1.0: 0.0, 2.0: 0.5, 3.0: -0.5}  # 0.5 is worth 10 points

    class Guided(Obliging):
        def __init__(self, rows, planted, models, runtime):
            super().__init__(rows, planted, models, runtime)
            self.quality = [gains[row["guidance"]] for row in rows]

    make = lambda rows, models, runtime, _: Guided(rows, {key: 0.0 for key in KEYS}, models, runtime)  # noqa: E731
    monkeypatch.setattr(tune, "planner_of", make)
    params["tasks"]["task"]["environment"] = COUNTING | {"max_episode_steps": 1}
    params["tune"] |= {"episodes": 24, "finalists": finalists, "equal_within": margin}
    params["tune"]["grid"] = GRID | {"temperature": [0.1], "target_return": [0.8, 1.0]}
    tune.main(params, "task", 4, "trajectory_diffuser")
    assert choice("trajectory_diffuser")["values"]["guidance"] == chosen
    assert choice("trajectory_diffuser")["equal_within"] == margin


def test_every_row_has_the_same_number_of_trials_in_the_same_environments_at_every_point(params):
    for name in ("ddim_20", "warm_start_20"):
        params["planners"][name]["refine_steps"] = 10  # all of the small chain's
    for name, row in params["planners"].items():
        tune.main(params, "task", 4, name)
        table, record = trials(name), choice(name)
        assert len(table) == record["episodes"] == 36
        assert set(record["grid"]) <= {key for key in KEYS if row[key] == "tuned"}
        points = table.groupby(list(record["grid"]))["environment_seed"]
        first, finalists = 18 // len(record["scores"]), min(3, len(record["scores"]))
        counts = [first] * (len(record["scores"]) - finalists) + [first + 18 // finalists] * finalists
        assert sorted(len(seeds) for _, seeds in points) == counts
        assert all(seeds.tolist() == list(range(7, 7 + len(seeds))) for _, seeds in points)
        assert record["first_environment_seed"] == 7


def test_luck_in_the_first_round_does_not_win_the_second(params, monkeypatch):
    """A point that is good in the first environment only is a finalist, and loses to one that always is."""
    lucky, steady = {"guidance": 3.0, "temperature": 0.5}, {"guidance": 2.0, "temperature": 0.1}

    class Lucky(Obliging):
        def __init__(self, rows, planted, models, runtime):
            super().__init__(rows, planted, models, runtime)
            first = len(rows) == 6  # the points of one guidance, in one environment
            self.quality = [
                2.0 * first if lucky.items() <= row.items() else float(steady.items() <= row.items())
                for row in rows
            ]

    make = lambda rows, models, runtime, _: Lucky(rows, {key: 0.0 for key in KEYS}, models, runtime)  # noqa: E731
    monkeypatch.setattr(tune, "planner_of", make)
    params["tune"] |= {"finalists": 6}
    tune.main(params, "task", 4, "trajectory_diffuser")
    assert steady.items() <= choice("trajectory_diffuser")["values"].items()
    once = {
        tuple(point["values"].values()): point["score"] for point in choice("trajectory_diffuser")["scores"]
    }
    assert max(once, key=once.get)[0] == 2.0


def test_named_values_are_not_tuned(params):
    params["planners"]["ddim"] |= {"guidance": 4.0, "target_return": 0.7}
    tune.main(params, "task", 4, "ddim")
    assert set(trials("ddim")["temperature"]) == set(GRID["temperature"])
    assert choice("ddim")["grid"] == {"temperature": GRID["temperature"]}
    assert choice("ddim")["values"] | {"temperature": 0} == {
        "guidance": 4.0, "temperature": 0, "target_return": 0.7
    }  # fmt: skip
    params["planners"]["ddim"] |= {"temperature": 0.2}
    tune.main(params, "task", 4, "ddim")
    assert choice("ddim")["values"] == {"guidance": 4.0, "temperature": 0.2, "target_return": 0.7}
    assert choice("ddim")["episodes"] == len(trials("ddim")) == 0
    assert choice("ddim")["target_return"] == pytest.approx(0.7 * BEST)


def test_a_grid_of_one_point_leaves_no_choice_and_so_no_trials(params):
    params["planners"]["ddim"] |= {"guidance": 4.0, "target_return": 0.7}
    params["tune"]["grid"] = GRID | {"temperature": [0.3]}
    tune.main(params, "task", 4, "ddim")
    assert choice("ddim")["values"] == {"guidance": 4.0, "temperature": 0.3, "target_return": 0.7}
    assert choice("ddim")["episodes"] == len(trials("ddim")) == 0


def test_an_environment_that_breaks_down_leaves_no_choice(params):
    params["tasks"]["task"]["environment"] = broken("infinite reward")
    params["tune"]["first_environment_seed"] = 4
    with pytest.raises(UserError, match="environment seed 5, step 2: the reward holds -inf"):
        tune.main(params, "task", 4, "trajectory_diffuser")
    assert not TUNING.exists()


def test_the_trials_are_the_same_again(params):
    # At temperature 0 there is one candidate, beside three.
    params["tune"]["grid"] = GRID | {"temperature": [0.0, 0.5]}
    params["planners"]["trajectory_diffuser"]["candidates"] = 3
    tables = []
    for _ in range(2):
        tune.main(params, "task", 4, "trajectory_diffuser")
        tables.append((TUNING / "trajectory_diffuser/trials.csv").read_bytes())
    assert tables[0] == tables[1]


def test_evaluation_and_loaded_planners_use_the_choice(params):
    tune.main(params, "task", 4, "ddim")
    chosen = {"guidance": 2.5, "temperature": 0.4, "target_return": 1.1}
    write_json(TUNING / "ddim/choice.json", choice("ddim") | {"values": chosen})
    seal(TUNING / "ddim/choice.json")
    evaluate.main(params, "task", 4, "ddim")
    record = read_json(RUN / "evaluation/ddim/evaluation.json")
    assert record["values"] == chosen
    assert record["target_return"] == pytest.approx(1.1 * BEST)
    planner = Planner.load(RUN, "ddim")
    settings = planner.trajectory_planner.settings
    assert (settings.guidance, settings.temperature) == (2.5, 0.4)
    assert planner.target_return == pytest.approx(1.1 * BEST)


def test_an_evaluation_before_tuning_names_the_stage_to_run(params):
    with pytest.raises(
        UserError,
        match=r"ddim/choice\.json: missing; run: python src/tune\.py --planner ddim --task task --seed 4",
    ):
        evaluate.main(params, "task", 4, "ddim")
