"""d3rlpy's algorithms on prepared data: the right episodes, the same again, and acting as d3rlpy acts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from seals import seal
from small_models import DATA, make_project

import evaluate_rival
import train_rival
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.datasets.prepared import PreparedDataset

d3rlpy = pytest.importorskip("d3rlpy", reason="in .venv-rivals only (make rivals)")

from trajectory_diffuser.rivals.agent import RivalAgent  # noqa: E402
from trajectory_diffuser.rivals.algorithms import acting_network, load, training_episodes  # noqa: E402

RUN = Path("results/runs/task/seed0")
BOUNDS = np.float32([[-9, -9], [9, 9]])
RIVALS = ("decision_transformer", "iql", "td3_plus_bc")


@pytest.fixture
def params(tmp_path, monkeypatch):
    """Parameters of a project with data whose actions are four times the first two observations."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    params = make_project()
    observations, offsets = np.load(DATA / "observations.npy"), np.load(DATA / "episode_offsets.npy")
    rows = np.delete(np.arange(len(observations)), offsets[1:] + np.arange(len(offsets) - 1))
    np.save(DATA / "actions.npy", np.clip(4 * observations[rows, :2], -9, 9))
    seal(DATA / "actions.npy")
    params["run"]["device"] = "cpu"
    params["rivals"] = {rival: row | {"steps": 3} for rival, row in params["rivals"].items()}
    params["evaluate"] |= {"episodes": 5, "batch_size": 3, "first_environment_seed": 7}
    yield params
    torch.set_num_threads(threads)


def trained(params, rival):
    train_rival.main(params, "task", 0, rival)
    folder = RUN / "rivals" / rival
    return load(read_json(folder / "config.json"), folder, torch.device("cpu"))


def test_the_episodes_are_those_that_the_planners_train_on(params):
    dataset = PreparedDataset.load(DATA)
    episodes, chosen = training_episodes(dataset).episodes, dataset.episodes("train")
    assert len(episodes) == len(chosen) < len(dataset.terminations)
    for episode, index in zip(episodes, chosen, strict=True):
        first, end = dataset.episode_offsets[index : index + 2]
        np.testing.assert_array_equal(episode.actions, dataset.actions[first:end])
        np.testing.assert_array_equal(episode.rewards[:, 0], dataset.rewards[first:end])
        np.testing.assert_array_equal(episode.observations, dataset.observations[first + index : end + index])
        expected = np.clip(4 * episode.observations[:, :2], -9, 9)
        np.testing.assert_array_equal(episode.actions, expected)  # an action's own observation
        assert episode.terminated == dataset.terminations[index]


@pytest.mark.parametrize("rival", RIVALS)
def test_training_and_evaluation_leave_the_same_again(params, rival):
    first = {}
    for _ in range(2):
        train_rival.main(params, "task", 0, rival)
        evaluate_rival.main(params, "task", 0, rival)
        files = [RUN / "rivals" / rival / "model.safetensors", RUN / "evaluation" / rival / "episodes.csv"]
        for file in files:
            assert first.setdefault(file, file.read_bytes()) == file.read_bytes()
    record = read_json(RUN / "evaluation" / rival / "evaluation.json")
    assert record["rival_row"] == params["rivals"][rival] and record["training"]["steps"] == 3
    assert record["settings"]["config"]["type"] == rival
    assert record["training"]["data"] == PreparedDataset.load(DATA).provenance["content_hash"]


def test_td3_plus_bc_learns_the_actions_of_the_data(params):
    params["rivals"]["td3_plus_bc"]["steps"] = 300
    agent = RivalAgent(trained(params, "td3_plus_bc"), 0.0, BOUNDS)
    observations = np.array(PreparedDataset.load(DATA).observations[:20])
    actions, expected = agent.act(observations, None), np.clip(4 * observations[:, :2], -9, 9)
    for dimension in range(2):  # its critic may move all of them
        slope, _ = np.polyfit(expected[:, dimension], actions[:, dimension], 1)
        assert 0.7 < slope < 1.3
        assert np.corrcoef(expected[:, dimension], actions[:, dimension])[0, 1] > 0.95


def test_a_decision_transformer_in_many_episodes_acts_as_it_does_in_each(params):
    algorithm = trained(params, "decision_transformer")
    generator = np.random.default_rng(0)
    observations = generator.normal(size=(30, 2, 3)).astype(np.float32)
    rewards = generator.normal(size=(30, 2))
    alone = []
    for episode in range(2):
        wrapper = algorithm.as_stateful_wrapper(target_return=50.0)
        received = np.append(0.0, rewards[:-1, episode])
        steps = zip(observations[:, episode], received, strict=True)
        alone.append([wrapper.predict(*step) for step in steps])
    agent = RivalAgent(algorithm, 50.0, BOUNDS)
    for step in range(30):  # the first episode ends after 25 steps; contexts are 20 long
        running = [0, 1] if step < 25 else [1]
        actions = agent.act(observations[step, running], rewards[step - 1, running] if step else None)
        np.testing.assert_allclose(actions, [alone[episode][step] for episode in running], atol=1e-6)
        if step == 24:
            agent.keep(np.array([False, True]))


def test_the_target_return_matters_to_a_decision_transformer(params):
    algorithm = trained(params, "decision_transformer")
    asked = [RivalAgent(algorithm, target, BOUNDS).act(np.ones((1, 3)), None) for target in (0.0, 5000.0)]
    assert not np.allclose(*asked)


def test_actions_stay_within_the_bounds(params):
    algorithm = trained(params, "iql")
    actions = RivalAgent(algorithm, 0.0, np.float32([[-0.01] * 2, [0.01] * 2])).act(np.ones((2, 3)), None)
    assert np.abs(actions).max() <= np.float32(0.01)
    assert next(acting_network(algorithm).parameters()).dtype == torch.float32


def test_an_evaluation_without_training_says_what_to_run(params):
    with pytest.raises(UserError, match=r"train_rival\.py --task task --seed 0 --rival iql"):
        evaluate_rival.main(params, "task", 0, "iql")
