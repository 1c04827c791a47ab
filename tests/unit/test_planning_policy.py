"""Policies act on what they were trained for: held to policies and returns that are known."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from seals import seal
from small_models import ACTION, ENVIRONMENT, STATE, identity_normaliser, make_policy, save_dataset

import train_policy
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.planning.policy import Policy

PARAMS = Path(__file__).parents[2] / "params.yaml"
RUN = Path("results/runs/task/seed0")
GAIN = np.array([[0.5, -0.3, 0.2], [-0.1, 0.4, 0.6]])  # [action, state]
SETTINGS = {"width": 64, "layers": 2, "warmup_steps": 50, "validate_every": 500}


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    shutil.copy(PARAMS, tmp_path)
    yield tmp_path
    torch.set_num_threads(threads)


def episodes(actions, returns, count=40, length=50):
    """Write episodes with random states; `actions(state, index)` and `returns(index)` by episode index."""
    folder = Path("data/processed/task")
    save_dataset(folder, lengths=(length,) * count)
    states = np.load(folder / "observations.npy").reshape(count, length + 1, STATE)
    taken = np.stack([actions(states[index, :-1], index) for index in range(count)])
    np.save(folder / "actions.npy", taken.reshape(-1, ACTION).astype(np.float32))
    # All reward comes with the last step: the return-to-go is the return until then.
    still = np.stack([np.append(np.full(length, returns(index)), 0) for index in range(count)])
    np.save(folder / "returns_to_go.npy", still.ravel().astype(np.float32))
    seal(folder / "returns_to_go.npy")


def cloned(policy, steps=1500):
    """The policy of a row of the parameters, trained."""
    params = load_params()
    params["tasks"]["task"] = next(iter(params["tasks"].values())) | {"return_scale": 10.0}
    params["run"]["device"] = "cpu"
    params["train_policy"] |= SETTINGS | {"steps": steps}
    train_policy.main(params, "task", 0, policy)
    record = {"policy_row": {"target_return": "tuned"}, "values": {"target_return": 1.0}}
    record |= {"precision": "float32"}
    (RUN / "evaluation" / policy).mkdir(parents=True, exist_ok=True)
    write_json(RUN / "evaluation" / policy / "evaluation.json", record)
    seal(RUN / "evaluation" / policy / "evaluation.json")
    return loaded(policy)


def loaded(policy, **asked):
    return Policy.load(RUN, policy, runtime="torch", **asked)


def new_states(count=200):
    return np.random.default_rng(5).normal(size=(count, STATE))


def error(agent, expected):
    agent.reset()
    return np.abs(agent.act(new_states()) - expected).mean()


def test_cloning_recovers_a_linear_policy_from_its_noisy_actions(project):
    noise = np.random.default_rng(1)
    episodes(lambda state, _: state @ GAIN.T + noise.normal(0, 0.1, (len(state), ACTION)), lambda _: 0.0)
    wanted = new_states() @ GAIN.T
    assert error(cloned("behaviour_cloning"), wanted) < 0.04


def test_cloning_of_the_best_tenth_takes_the_actions_of_the_best_episodes(project):
    # Every tenth episode has another gain and the highest return.
    episodes(
        lambda state, index: state @ GAIN.T * (1 if index % 10 == 3 else -1),
        lambda index: 9.0 if index % 10 == 3 else index % 10 / 2,
    )
    wanted = new_states() @ GAIN.T
    best, average = cloned("best_tenth_cloning"), cloned("behaviour_cloning")
    assert error(best, wanted) < 0.05
    assert error(average, -0.8 * wanted) < 0.1


def test_return_conditioned_cloning_acts_by_the_return_asked_for(project):
    episodes(lambda state, index: state @ GAIN.T * (-1) ** index, lambda index: 5.0 * (-1) ** index)
    cloned("return_conditioned_cloning")
    for asked in (5.0, -5.0):
        wanted = new_states() @ GAIN.T * np.sign(asked)
        agent = loaded("return_conditioned_cloning", target_return=asked)
        assert error(agent, wanted) < 0.1
        # A reward that turns what is still to come around turns the actions around.
        agent.reset()
        agent.act(new_states())
        assert np.abs(agent.act(new_states(), 2 * asked) + wanted).mean() < 0.1


def test_actions_of_both_runtimes_are_equal():
    states = new_states(7)
    ours, theirs = (make_policy(runtime=runtime) for runtime in ("torch", "openvino"))
    for reward in (None, 1.0):
        np.testing.assert_allclose(ours.act(states, reward), theirs.act(states, reward), atol=1e-5)


def test_a_policy_reads_the_normalised_state_and_what_is_left_of_the_target():
    read = []

    def network(tokens):
        read.append(tokens.clone())
        return tokens[..., :ACTION]

    units = {"normaliser": Normaliser(*np.float32([[1, 2, 3], [2, 4, 8], [0] * 3, [9] * 3]))}
    policy = make_policy(network, target_return=50.0, **units)
    policy.act(np.array([[3.0, 2.0, 11.0], [1.0, 6.0, 3.0]]))
    policy.act(np.array([[1.0, 2.0, 3.0]] * 2), np.array([10.0, -20.0]))
    expected = [[[1, 0, 1, 5], [0, 1, 0, 5]], [[0, 0, 0, 4], [0, 0, 0, 7]]]
    np.testing.assert_allclose(torch.stack(read).numpy(), expected, atol=1e-6)


def test_actions_stay_within_the_bounds_and_have_the_observations_shape():
    bounds = np.float32([[-0.01, -0.02], [0.01, 0.02]])
    policy = make_policy(action_bounds=bounds)
    actions = policy.act(new_states())
    assert (actions >= bounds[0]).all() and (actions <= bounds[1]).all()
    policy.reset()
    assert policy.act(new_states()[0]).shape == (ACTION,)


def test_predict_is_act_without_rewards():
    predicting, acting = make_policy(), make_policy()
    for observation in new_states(3):
        action, state = predicting.predict(observation)
        np.testing.assert_array_equal(action, acting.act(observation))
        assert state is None


def test_a_loaded_policy_is_the_trained_one(project):
    save_dataset(Path("data/processed/task"))
    policy = cloned("return_conditioned_cloning", steps=2)
    trained = load_file(RUN / "policies/return_conditioned_cloning/model.safetensors")
    weights = policy.units.network.state_dict()
    assert trained.keys() == weights.keys()
    assert all(torch.equal(trained[name], weights[name]) for name in trained)
    assert policy.environment == ENVIRONMENT
    config = read_json(RUN / "policies/return_conditioned_cloning/config.json")
    assert config["task_settings"] == {"return_scale": 10.0}
    assert policy.units.return_scale == 10.0
    np.testing.assert_array_equal(policy.units.action_bounds, np.float32([[-9] * ACTION, [9] * ACTION]))
    assert not np.allclose(policy.units.normaliser.mean, identity_normaliser().mean)


def test_a_policy_that_is_not_trained_is_refused_in_a_line(tmp_path):
    command = r"python src/train_policy\.py --task hopper --seed 2 --policy other"
    with pytest.raises(UserError, match=rf"policies/other: no trained model there; run first: {command}$"):
        Policy.load(tmp_path / "hopper/seed2", "other")
