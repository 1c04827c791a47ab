"""The stages `evaluate` and `evaluate_training`, in an environment without physics."""

import copy
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from small_environments import COUNTING
from small_models import ROW, make_models, save_dataset, save_models

import evaluate
import evaluate_training
from trajectory_diffuser.computing.files import read_json, write_json

MODELS = ("transformer", "diffusion", "inverse_dynamics", "value")
SHARES = [0.25, 0.5]
PARAMS = {
    "run": {"device": "cpu"},
    "tasks": {"task": {"environment": COUNTING, "guidance": 1.5, "target_return": 50.0}},
    "planners": {"refined": ROW, "draft": ROW | {"refine_steps": 0}},
    "base_training": {"keep_at": SHARES},
    "planning": {"runtime": "torch", "precision": "float32"},
    "evaluate": {"episodes": 5, "first_environment_seed": 7, "batch_size": 2, "threads": 1},
    "evaluate_training": {"planners": ["refined"], "episodes": 3},
}
RUN = Path("results/runs/task/seed0")
EARLIER = {share: number for number, share in enumerate(SHARES, start=1)}  # seeds of the kept weights


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Prepared data, and networks with weights from earlier in their training."""
    threads = torch.get_num_threads()
    monkeypatch.chdir(tmp_path)
    save_dataset(Path("data/processed/task"))
    file = Path("data/processed/task/provenance.json")
    write_json(file, read_json(file) | {"reference_scores": {"minimum": 10.0, "maximum": 30.0}})
    use(0)
    for share, seed in EARLIER.items():
        models = make_models(seed)
        for name in MODELS:
            network = models.diffusion.network if name == "diffusion" else getattr(models, name)
            save_file(network.state_dict(), RUN / name / f"model_after_{share}.safetensors")
    yield
    torch.set_num_threads(threads)


def use(seed):
    """Make the trained networks those of `make_models(seed)`."""
    for name in MODELS:
        shutil.rmtree(RUN / name, ignore_errors=True)
    save_models(RUN, make_models(seed, environment=COUNTING))


def evaluated(planner, episodes=5):
    params = copy.deepcopy(PARAMS)
    params["evaluate"]["episodes"] = episodes
    evaluate.main(params, "task", 0, planner)
    return pd.read_csv(RUN / "evaluation" / planner / "episodes.csv")


def evaluated_in_training(planner):
    evaluate_training.main(PARAMS, "task", 0, planner)
    return pd.read_csv(RUN / "training_scores" / planner / "scores.csv")


def test_an_evaluation_has_a_row_per_episode_with_its_environment_seed_and_normalised_score():
    table = evaluated("refined")
    assert table["environment_seed"].tolist() == [7, 8, 9, 10, 11]
    assert table["length"].tolist() == [4, 5, 3, 4, 5]
    assert table["success"].tolist() == [0, 1, 0, 1, 0]
    assert table["normalised_score"].tolist() == pytest.approx(100 * (table["return"] - 10) / 20)
    record = read_json(RUN / "evaluation" / "refined" / "evaluation.json")
    assert (record["episodes"], record["groups"], record["guidance"]) == (5, 3, 1.5)


def test_earlier_weights_are_evaluated_on_the_evaluations_own_first_episodes():
    table = evaluated_in_training("refined")
    assert table["fraction"].tolist() == [0.25] * 3 + [0.5] * 3
    assert table["environment_seed"].tolist() == [7, 8, 9] * 2
    for share, seed in EARLIER.items():
        use(seed)
        expected, earlier = evaluated("refined", episodes=3), table[table["fraction"] == share]
        assert earlier["return"].tolist() == expected["return"].tolist()
    assert len(set(table["return"])) == 6


@pytest.mark.parametrize(
    ("planner", "networks"),
    [
        ("refined", ["transformer", "diffusion", "inverse_dynamics"]),
        ("draft", ["transformer", "inverse_dynamics"]),
    ],
)
def test_the_record_names_the_networks_whose_training_counts(planner, networks):
    evaluated_in_training(planner)
    record = read_json(RUN / "training_scores" / planner / "training_scores.json")
    assert record["networks"] == networks
    assert record["planner_row"] == PARAMS["planners"][planner]
