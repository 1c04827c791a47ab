"""Signs of failure, against brute force and planted failures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from seals import seal
from small_models import CPU, HISTORY, HORIZON, as_module, make_models, save_models

import evaluate_plans
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.windows import PreparedDataset, WindowSampler
from trajectory_diffuser.evaluation.cell import planner_of, run_directory
from trajectory_diffuser.evaluation.diagnosis import draft_errors, nearest_windows, plan_signs
from trajectory_diffuser.evaluation.situations import plans_in_situations, spread
from trajectory_diffuser.planning.runtime import Runtime

RUNTIME = Runtime("torch", "float32", CPU)
FOLDER = Path("results/runs/task/seed4/diagnosis")
CHOSEN = {"guidance": 2.0, "temperature": 0.4, "target_return": 1.1}
HELD_OUT = slice(20 + 30 + 25 + 3, None)  # rows of the observations of the last episode, 20 steps


@pytest.fixture
def params(project_params):
    """A project with tuned planners."""
    project_params["run"]["planners"] = ["draft", "trajectory_diffuser", "ddim"]
    save_models(run_directory("task", 4), make_models())
    for name in project_params["run"]["planners"]:
        folder = run_directory("task", 4) / "tuning" / name
        folder.mkdir(parents=True)
        write_json(folder / "choice.json", {"values": CHOSEN})
        seal(folder / "choice.json")
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
    returns_to_go = torch.tensor(np.array(dataset.returns_to_go)) / 10

    def oracle(tokens, length):
        rows = [int((states - token[-1, :-1]).abs().sum(dim=1).argmin()) for token in tokens]
        ahead = torch.arange(1, length + 1)
        follow = [torch.clamp(row + ahead, max=len(states) - 1) for row in rows]
        return torch.stack([torch.cat([states[at], returns_to_go[at, None]], dim=1) for at in follow])

    assert draft_errors(models_that_draft(oracle), dataset)["error"].max() == 0


def test_the_nearest_window_is_found_among_all(dataset, monkeypatch):
    monkeypatch.setattr("trajectory_diffuser.evaluation.diagnosis.WINDOWS_AT_A_TIME", 7)
    windows = WindowSampler(dataset, HORIZON, CPU, absorbing=True)
    everything = windows.windows(torch.arange(len(windows.starts)))[0].numpy()
    plans = torch.randn(5, HORIZON, 3, generator=torch.Generator().manual_seed(0))
    truth = [np.sqrt(np.square(everything - plan).mean(axis=(1, 2)).min()) for plan in plans.numpy()]
    np.testing.assert_allclose(nearest_windows(plans, windows), truth, rtol=1e-4)
    shifted = torch.from_numpy(everything[[3, 40]]) + 0.001
    np.testing.assert_allclose(nearest_windows(shifted, windows), 0.001, rtol=0.1)


def test_a_row_has_the_plans_of_the_tuned_planner_and_of_one_without_guidance(params, dataset):
    models = make_models()
    table, held_out = plan_signs(params, "task", 4, models, RUNTIME)
    table = table.set_index("planner")
    assert table.loc["draft", "plan_distance"] == 0 and np.isnan(table.loc["draft", "unguided_distance"])
    row = table.loc["ddim"]
    distances = {
        weight: spread(
            plans_in_situations(
                planner_of(
                    [params["planners"]["ddim"] | CHOSEN | {"guidance": weight}],
                    models,
                    RUNTIME,
                    derive_seed("diagnosis", "task", 4, "ddim"),
                ),
                dataset,
            )
        )["plan_distance"]
        for weight in (2.0, 1.0)
    }
    assert [row["plan_distance"], row["unguided_distance"]] == list(distances.values())
    assert distances[2.0] != distances[1.0] > 0
    assert (table["nearest"] > 0).all() and held_out > 0


def test_planted_copies_are_as_near_as_they_are(params, dataset, monkeypatch):
    windows = WindowSampler(dataset, HORIZON, CPU, absorbing=True)
    copies = windows.windows(torch.arange(16))[0]
    plan = plans_in_situations(
        planner_of([params["planners"]["ddim"] | CHOSEN], make_models(), RUNTIME, 0), dataset
    )
    planted = type(plan)(copies, plan.action[:16], None)
    monkeypatch.setattr("trajectory_diffuser.evaluation.diagnosis.plans_in_situations", lambda *_: planted)
    table, held_out = plan_signs(params, "task", 4, make_models(), RUNTIME)
    assert (table["nearest"] < 0.01 * held_out).all()


def test_the_stage_writes_the_same_bytes_again(params):
    files = []
    for _ in range(2):
        evaluate_plans.main(params, "task", 4)
        files.append([(FOLDER / name).read_bytes() for name in ("drafts.csv", "plans.csv", "diagnosis.json")])
    assert files[0] == files[1]
    assert pd.read_csv(FOLDER / "plans.csv")["planner"].tolist() == params["run"]["planners"]
    assert read_json(FOLDER / "diagnosis.json")["held_out_nearest"] > 0
