"""What the evaluations of a planner and of a policy leave: the same episodes, in the same files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_environments import COUNTING
from small_models import make_models, save_dataset, save_models

import evaluate
import evaluate_policy
import train_policy
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.evaluation.cell import make_policy
from trajectory_diffuser.planning.runtime import Runtime

RUN = Path("results/runs/task/seed0")
SHIPPED = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture
def params(tmp_path, monkeypatch):
    """Parameters of a project with data, models and a policy, and two groups of episodes."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    data = Path("data/processed/task")
    save_dataset(data)
    reference = {"reference_scores": {"minimum": 2.0, "maximum": 12.0}}
    write_json(data / "provenance.json", read_json(data / "provenance.json") | reference)
    params = load_params(SHIPPED)
    params["tasks"]["task"] = next(iter(params["tasks"].values())) | {"environment": COUNTING}
    params["run"]["device"], params["planning"]["runtime"] = "cpu", "torch"
    params["train_policy"] |= {"steps": 2, "width": 8}
    params["evaluate"] |= {"episodes": 5, "batch_size": 3, "first_environment_seed": 7}
    save_models(RUN, make_models())
    train_policy.main(params, "task", 0, "behaviour_cloning")
    yield params
    torch.set_num_threads(threads)


def test_a_policy_is_evaluated_as_planners_are_but_for_plans(params):
    evaluate.main(params, "task", 0, "trajectory_diffuser")
    evaluate_policy.main(params, "task", 0, "behaviour_cloning")
    tables, records, files = [], [], []
    for name in ("trajectory_diffuser", "behaviour_cloning"):
        folder = RUN / "evaluation" / name
        tables.append(pd.read_csv(folder / "episodes.csv"))
        records.append(read_json(folder / "evaluation.json"))
        files.append({path.name for path in folder.iterdir()})
        assert set(tables[-1]["planner"]) == {name} == {records[-1]["planner"]}
    planner, policy = tables
    assert files[0] - files[1] == {"plans.npz"} and files[1] < files[0]
    assert list(planner.columns) == list(policy.columns)
    for column in ("task", "seed", "episode", "environment_seed", "length", "success"):
        assert planner[column].tolist() == policy[column].tolist()
    assert policy["environment_seed"].tolist() == [7, 8, 9, 10, 11]
    assert policy["length"].tolist() == [3 + seed % 3 for seed in range(7, 12)]
    np.testing.assert_allclose(policy["normalised_score"], 10 * (policy["return"] - 2))
    assert records[1]["policy_row"] == params["policies"]["behaviour_cloning"]
    assert records[0].keys() - records[1].keys() == {"planner_row", "guidance"}
    assert records[1]["groups"] == 2


def test_an_evaluation_is_the_same_again(params):
    tables = []
    for _ in range(2):
        evaluate_policy.main(params, "task", 0, "behaviour_cloning")
        tables.append((RUN / "evaluation/behaviour_cloning/episodes.csv").read_bytes())
    assert tables[0] == tables[1]


def test_a_cells_policy_is_asked_for_the_tasks_target_return(params):
    runtime = Runtime("torch", "float32", torch.device("cpu"))
    policy = make_policy(params, "task", 0, "behaviour_cloning", runtime)
    assert policy.target_return == params["tasks"]["task"]["target_return"]
    policy.act(np.ones((2, 3)))
    scale = params["tasks"]["task"]["return_scale"]
    np.testing.assert_allclose(policy.memory.tokens[:, 0, -1] * scale, policy.target_return)
