"""Signs of failure, against brute force and planted failures."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_models import CPU, HISTORY, HORIZON, as_module, make_models, save_choices, save_models

import evaluate_plans
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import WindowSampler
from trajectory_diffuser.evaluation.cell import planner_of, run_directory
from trajectory_diffuser.evaluation.diagnosis import draft_errors, nearest_windows, plan_signs
from trajectory_diffuser.evaluation.situations import PLANS_EACH, plans_in_situations, situations
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.trajectory_planner import Plan

RUNTIME = Runtime("torch", "float32", CPU)
FOLDER = Path("results/runs/task/seed4/diagnosis")
CHOSEN = {"guidance": 2.0, "temperature": 0.4, "target_return": 1.1}
HELD_OUT = slice(20 + 30 + 25 + 3, None)  # rows of the observations of the last episode, 20 steps


@pytest.fixture
def params(project_params):
    """A project with tuned planners."""
    project_params["run"]["planners"] = ["draft", "trajectory_diffuser", "ddim"]
    save_models(run_directory("task", 4), make_models())
    save_choices(run_directory("task", 4), project_params["run"]["planners"], CHOSEN)
    return project_params


@pytest.fixture
def dataset(params):
    return PreparedDataset.load("data/processed/task")


def models_that_draft(draft):
    """`draft(tokens, length)` gives the tokens that follow."""
    transformer = as_module(lambda: None)
    transformer.positions = torch.zeros(1)
    transformer.draft = lambda tokens, padding, length: torch.cat([tokens, draft(tokens, length)], dim=1)
    return make_models(transformer=transformer)


def test_draft_errors_are_those_of_a_loop_over_held_out_windows(dataset):
    table = draft_errors(
        models_that_draft(lambda tokens, length: tokens[:, -1:].repeat(1, length, 1)), dataset
    )
    states = dataset.normaliser.normalise(np.asarray(dataset.observations))[HELD_OUT].astype(float)
    assert table["step"].tolist() == list(range(1, HORIZON))
    for row in table.itertuples():
        starts = range(len(states) - (HISTORY - 1) - row.step)
        present = np.array([states[start + HISTORY - 1] for start in starts])
        actual = np.array([states[start + HISTORY - 1 + row.step] for start in starts])
        assert row.error == pytest.approx(np.sqrt(np.square(present - actual).mean()), rel=1e-5)
        assert row.spread == pytest.approx(np.sqrt(np.square(actual - actual.mean(0)).mean()), rel=1e-5)


def test_a_draft_that_knows_what_comes_has_no_error(dataset):
    states = torch.from_numpy(dataset.normaliser.normalise(np.asarray(dataset.observations)))

    def oracle(tokens, length):
        rows = [int((states - token[-1, :-1]).abs().sum(dim=1).argmin()) for token in tokens]
        follow = [states[torch.arange(row + 1, row + 1 + length).clamp(max=len(states) - 1)] for row in rows]
        return torch.cat([torch.stack(follow), torch.zeros(len(rows), length, 1)], dim=2)

    assert draft_errors(models_that_draft(oracle), dataset)["error"].max() == 0


def test_it_is_said_how_many_drafts_an_error_rests_on(dataset):
    table = draft_errors(
        models_that_draft(lambda tokens, length: tokens[:, -1:].repeat(1, length, 1)), dataset
    )
    assert table["drafts"].tolist() == [21 - (HISTORY - 1) - step for step in range(1, HORIZON)]


def test_nothing_is_said_of_drafts_where_no_episode_is_held_out(dataset):
    everything = replace(dataset, validation=np.zeros(4, bool))
    table = draft_errors(
        models_that_draft(lambda tokens, length: tokens[:, -1:].repeat(1, length, 1)), everything
    )
    assert table["step"].tolist() == list(range(1, HORIZON))
    assert (table["drafts"] == 0).all() and table[["error", "spread"]].isna().all(axis=None)


def test_situations_have_a_whole_history_where_the_episode_is_long_enough(dataset):
    (present,), (first,), (last,) = situations(dataset, 4)
    assert (first, present, last) == (78, 88, 98)
    assert situations(dataset, 15)[0].tolist() == [93]
    assert situations(dataset, 50)[0].tolist() == [98]


def test_all_episodes_stand_in_where_none_is_held_out(dataset):
    everything = replace(dataset, validation=np.zeros(4, bool))
    assert situations(everything, 4)[1].tolist() == [0, 21, 52, 78]


def test_the_history_is_that_of_the_episode_with_its_rewards(params, dataset):
    planner = planner_of([params["planners"]["draft"] | CHOSEN], make_models(), RUNTIME, 0)
    plans_in_situations(planner, dataset)
    tokens, padding = planner.memory.history(CPU)
    # The models' normaliser is the identity.
    raw = np.asarray(dataset.observations)[88 - HISTORY + 1 : 89]
    np.testing.assert_allclose(tokens[0, :, :-1], raw, rtol=1e-6)
    asked = 1.1 * 50 - (20 - np.asarray(dataset.returns_to_go)[88 - HISTORY + 1 : 89])
    np.testing.assert_allclose(tokens[0, :, -1], asked / 10, rtol=1e-5)
    assert padding == 0


@pytest.mark.parametrize("name", ["warm_start", "carried_draft"])
def test_situations_are_planned_with_a_previous_plan(params, dataset, name):
    models = make_models()
    planner = planner_of([params["planners"][name] | CHOSEN | {"refine_steps": 3}], models, RUNTIME, 0)
    seen = []
    whole = planner.trajectory_planner.plan
    planner.trajectory_planner.plan = lambda *given: seen.append(given[3]) or whole(*given)
    plans_in_situations(planner, dataset)
    assert [previous is None for previous in seen] == [True, False]


def test_the_nearest_window_is_found_among_all(dataset, monkeypatch):
    windows = WindowSampler(dataset, HORIZON, CPU, absorbing=True)
    everything = windows.windows(torch.arange(len(windows.starts)))[0].numpy()
    plans = torch.randn(60, HORIZON, 3, generator=torch.Generator().manual_seed(0))
    truth = [np.sqrt(np.square(everything - plan).mean(axis=(1, 2)).min()) for plan in plans.numpy()]
    for at_a_time in (7, 4096):
        monkeypatch.setattr("trajectory_diffuser.evaluation.diagnosis.WINDOWS_AT_A_TIME", at_a_time)
        np.testing.assert_allclose(nearest_windows(plans, windows), truth, rtol=1e-5)
        assert nearest_windows(torch.from_numpy(everything), windows).max() == 0


def test_a_row_has_what_the_tuned_planner_and_one_with_a_weight_of_1_plan(params, dataset):
    models = make_models()
    table = plan_signs(params, "task", 4, dataset, models, RUNTIME).set_index("planner")
    assert table.loc["draft", "plan_distance"] == 0 and np.isnan(table.loc["draft", "distance_at_1"])
    row, noise_seed = params["planners"]["ddim"] | CHOSEN, derive_seed("diagnosis", 4, "ddim")
    for column, weight in (("plan_distance", 2.0), ("distance_at_1", 1.0)):
        planner = planner_of([row | {"guidance": weight}], models, RUNTIME, noise_seed)
        states = plans_in_situations(planner, dataset).states.double()[:, 1:]  # one situation
        pairs = [(one - other).square().mean() for one, other in combinations(states, 2)]
        assert table.loc["ddim", column] == pytest.approx(float(torch.stack(pairs).mean().sqrt()))
    assert table["nearness"].between(0.1, 10).all()


def test_copies_of_the_data_have_nearness_0_and_the_episode_itself_1(params, dataset, monkeypatch):
    windows = WindowSampler(dataset, HORIZON, CPU, absorbing=True)
    copies, one = windows.windows(torch.arange(PLANS_EACH))[0], torch.zeros(PLANS_EACH, 2)
    planted = "trajectory_diffuser.evaluation.diagnosis.plans_in_situations"
    monkeypatch.setattr(planted, lambda *_: Plan(copies, one, None))
    assert (plan_signs(params, "task", 4, dataset, make_models(), RUNTIME)["nearness"] == 0).all()
    # What the episode itself did is as near as it is.
    states = dataset.normaliser.normalise(np.asarray(dataset.observations))[88 : 88 + HORIZON]
    monkeypatch.setattr(planted, lambda *_: Plan(torch.tensor(states).repeat(PLANS_EACH, 1, 1), one, None))
    table = plan_signs(params, "task", 4, dataset, make_models(), RUNTIME)
    np.testing.assert_allclose(table["nearness"], 1)


def test_without_held_out_episodes_nothing_is_said_of_copies(params, dataset):
    everything = replace(dataset, validation=np.zeros(4, bool))
    assert plan_signs(params, "task", 4, everything, make_models(), RUNTIME)["nearness"].isna().all()


def test_the_stage_writes_the_same_bytes_again(params):
    files = []
    for _ in range(2):
        evaluate_plans.main(params, "task", 4)
        files.append([(FOLDER / name).read_bytes() for name in ("drafts.csv", "plans.csv", "diagnosis.json")])
    assert files[0] == files[1]
    assert pd.read_csv(FOLDER / "plans.csv")["planner"].tolist() == params["run"]["planners"]
    assert read_json(FOLDER / "diagnosis.json")["split"] == "validation"
