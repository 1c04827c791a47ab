"""The stages `evaluate`, `evaluate_policy` and `evaluate_training`, in an environment without physics."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from seals import seal
from small_environments import broken
from small_models import make_models, save_models

import evaluate
import evaluate_policy
import evaluate_training
import train_policy
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.evaluation.cell import make_policy
from trajectory_diffuser.models.building import weights_file
from trajectory_diffuser.planning.policy import PolicyModel
from trajectory_diffuser.planning.runtime import Runtime

MODELS = ("transformer", "diffusion", "inverse_dynamics", "value")
PLANNER, POLICY = "trajectory_diffuser", "behaviour_cloning"
EARLIER = {0.25: 1, 0.5: 2}  # seeds of the networks' kept weights
RUN = Path("results/runs/task/seed0")


@pytest.fixture
def params(project_params):
    """Parameters of a project: data, networks with kept weights, a policy, three groups of episodes."""
    params = project_params
    params["base_training"]["keep_at"] = list(EARLIER)
    params["train_policy"] |= {"steps": 2, "width": 8}
    params["evaluate"] |= {"episodes": 5, "batch_size": 2, "first_environment_seed": 7}
    params["evaluate_training"]["episodes"] = 3
    use(0)
    for share, seed in EARLIER.items():
        models = make_models(seed)
        for name in MODELS:
            network = models.diffusion.network if name == "diffusion" else getattr(models, name)
            save_file(network.state_dict(), RUN / name / weights_file(share))
            seal(RUN / name / weights_file(share))
    train_policy.main(params, "task", 0, POLICY)
    for name in (PLANNER, "draft", POLICY):
        values = {"guidance": 1.5, "temperature": 0.5, "target_return": 1.5}
        folder = RUN / ("policy_tuning" if name == POLICY else "tuning") / name
        folder.mkdir(parents=True)
        write_json(folder / "choice.json", {"values": values})
        seal(folder / "choice.json")
    return params


def use(seed):
    """Make the trained networks those of `make_models(seed)`."""
    for name in MODELS:
        shutil.rmtree(RUN / name, ignore_errors=True)
    save_models(RUN, make_models(seed))


def scores(params, planner=PLANNER):
    evaluate.main(params, "task", 0, planner)
    return pd.read_csv(RUN / "evaluation" / planner / "episodes.csv")


def scores_in_training(params, planner=PLANNER):
    evaluate_training.main(params, "task", 0, planner)
    return pd.read_csv(RUN / "training_scores" / planner / "scores.csv")


def test_a_policy_is_evaluated_as_planners_are_but_for_plans(params):
    evaluate.main(params, "task", 0, PLANNER)
    evaluate_policy.main(params, "task", 0, POLICY)
    tables, records, files = [], [], []
    for name in (PLANNER, POLICY):
        folder = RUN / "evaluation" / name
        tables.append(pd.read_csv(folder / "episodes.csv"))
        records.append(read_json(folder / "evaluation.json"))
        files.append({path.name for path in folder.iterdir()})
        assert set(tables[-1]["planner"]) == {name} == {records[-1]["planner"]}
        assert (records[-1]["episodes"], records[-1]["groups"]) == (5, 3)
    planner, policy = tables
    assert files[0] - files[1] == {"plans.npz"} and files[1] < files[0]
    assert list(planner.columns) == list(policy.columns)
    for column in ("task", "seed", "episode", "environment_seed", "length", "success"):
        assert planner[column].tolist() == policy[column].tolist()
    assert policy["environment_seed"].tolist() == [7, 8, 9, 10, 11]
    assert policy["length"].tolist() == [4, 5, 3, 4, 5]
    assert policy["success"].tolist() == [0, 1, 0, 1, 0]
    np.testing.assert_allclose(policy["normalised_score"], 10 * (policy["return"] - 2))
    assert records[0]["planner_row"] == params["planners"][PLANNER]
    assert records[1]["policy_row"] == params["policies"][POLICY]
    assert records[0].keys() - records[1].keys() == {"planner_row"}
    assert records[0]["values"] == {"guidance": 1.5, "temperature": 0.5, "target_return": 1.5}
    assert records[1]["values"] == {"target_return": 1.5}
    assert records[0]["target_return"] == records[1]["target_return"] == 1.5 * 30  # the best in the data


def test_an_evaluation_is_the_same_again(params):
    tables = []
    for _ in range(2):
        evaluate_policy.main(params, "task", 0, POLICY)
        tables.append((RUN / "evaluation" / POLICY / "episodes.csv").read_bytes())
    assert tables[0] == tables[1]


def test_a_cells_policy_is_asked_for_what_was_chosen(params):
    runtime = Runtime("torch", "float32", torch.device("cpu"))
    model = PolicyModel.load(RUN, POLICY, runtime.device)
    policy = make_policy(params, "task", 0, POLICY, model, runtime)
    assert policy.target_return == 1.5 * 30
    policy.act(np.ones((2, 3)))
    scale = params["tasks"]["task"]["return_scale"]
    np.testing.assert_allclose(policy.memory.tokens[:, 0, -1] * scale, policy.target_return)


def test_earlier_weights_are_evaluated_on_the_evaluations_own_first_episodes(params):
    table = scores_in_training(params)
    assert table["fraction"].tolist() == [0.25] * 3 + [0.5] * 3
    assert table["environment_seed"].tolist() == [7, 8, 9] * 2
    params["evaluate"]["episodes"] = 3
    for share, seed in EARLIER.items():
        use(seed)
        expected, earlier = scores(params), table[table["fraction"] == share]
        assert earlier["return"].tolist() == expected["return"].tolist()
    assert len(set(table["return"])) == 6


@pytest.mark.parametrize(
    ("planner", "networks"),
    [
        ("trajectory_diffuser", ["transformer", "diffusion", "inverse_dynamics"]),
        ("draft", ["transformer", "inverse_dynamics"]),
    ],
)
def test_the_record_names_the_networks_whose_training_counts(params, planner, networks):
    scores_in_training(params, planner)
    record = read_json(RUN / "training_scores" / planner / "training_scores.json")
    assert record["networks"] == networks
    assert record["planner_row"] == params["planners"][planner]


def test_an_environment_that_breaks_down_leaves_no_evaluation(params):
    params["tasks"]["task"]["environment"] = broken("NaN in the observation")
    params["evaluate"]["first_environment_seed"] = 3
    with pytest.raises(UserError, match="environment seed 5, step 2: the observation holds nan"):
        evaluate.main(params, "task", 0, PLANNER)
    assert not (RUN / "evaluation").exists()


def test_damaged_data_are_named_before_any_episode(params, monkeypatch):
    Path("data/processed/task/rewards.npy").write_bytes(b"")
    monkeypatch.setattr(evaluate_training, "evaluate_episodes", lambda *_: pytest.fail("episodes"))
    with pytest.raises(UserError, match=r"rewards\.npy: damaged"):
        evaluate_training.main(params, "task", 0, "draft")
