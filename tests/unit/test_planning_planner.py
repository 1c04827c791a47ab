"""A planner in control: what it remembers, plans and does."""

import inspect

import numpy as np
import pytest
import torch
from small_models import (
    ACTION,
    HORIZON,
    STATE,
    history,
    make_models,
    make_planner,
    stub_planner,
)

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.trajectory_planner import Plan

HISTORY, TARGET, SCALE = 4, 50.0, 10.0
NORMALISER = Normaliser(*(np.array(row, np.float32) for row in ([1, 2, 3], [2, 4, 8], [0, 0, 0], [9, 9, 9])))


class Recorder:
    """Plans at random and keeps what it was asked and what it answered."""

    def __init__(self, with_draft=True):
        self.asked, self.answered, self.with_draft = [], [], with_draft
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, states, returns_to_go, previous):
        self.asked.append((states, returns_to_go, previous))
        plan = torch.randn(len(states), 5, STATE, generator=self.generator)
        self.answered.append(Plan(plan, plan[:, 1, :2], plan + 1 if self.with_draft else None))
        return self.answered[-1]


def make_agent(recorder, stride=1):
    planner = stub_planner(recorder, history_length=HISTORY, stride=stride)
    planner.models.normaliser = NORMALISER
    return Planner(planner, TARGET, seed=0)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_history_and_return_to_go_are_those_of_each_episode_on_its_own(stride):
    recorder = Recorder()
    agent = make_agent(recorder, stride)
    random = np.random.default_rng(0)
    ends = {0: 9, 1: 2, 2: 6, 3: 9}  # after so many steps
    seen = {episode: [] for episode in ends}  # observations of each episode
    asked = {episode: [TARGET] for episode in ends}  # returns-to-go of each episode, raw units
    plans = {episode: None for episode in ends}
    running, rewards = list(ends), None
    for step in range(9):
        observations = random.normal(size=(len(running), STATE))
        actions = agent.act(observations, rewards)
        states, returns_to_go, previous = recorder.asked[-1]
        for row, episode in enumerate(running):
            seen[episode].append((observations[row] - [1, 2, 3]) / [2, 4, 8])
            np.testing.assert_allclose(states[row], seen[episode][::-stride][:HISTORY][::-1], atol=1e-5)
            asked_so_far = asked[episode][::-stride][:HISTORY][::-1]
            np.testing.assert_allclose(returns_to_go[row] * SCALE, asked_so_far, rtol=1e-4)
            assert (previous is None) == (plans[episode] is None)
            if previous is not None:
                assert torch.equal(previous.states[row], plans[episode])
            plans[episode] = recorder.answered[-1].states[row]
            np.testing.assert_array_equal(actions[row], recorder.answered[-1].action[row])
        rewards = random.normal(size=len(running))
        for row, episode in enumerate(running):
            asked[episode].append(asked[episode][-1] - rewards[row])
        going_on = np.array([ends[episode] > step + 1 for episode in running])
        agent.memory.keep(going_on)
        rewards = rewards[going_on]
        running = [episode for episode, on in zip(running, going_on, strict=True) if on]
    assert running == []


def test_keep_keeps_the_last_plan_of_those_that_go_on():
    for with_draft in (True, False):
        recorder = Recorder(with_draft)
        agent = make_agent(recorder)
        agent.act(np.zeros((3, STATE)))
        agent.memory.keep(np.array([True, False, True]))
        whole, kept = recorder.answered[0], agent.memory.last_plan
        assert torch.equal(kept.states, whole.states[[0, 2]])
        assert torch.equal(kept.action, whole.action[[0, 2]])
        assert torch.equal(kept.draft, whole.draft[[0, 2]]) if with_draft else kept.draft is None


def test_keep_keeps_what_a_carried_draft_needs():
    agent = Planner(make_planner(redraft_every=3), TARGET, seed=0)
    observations = np.random.default_rng(0).normal(size=(3, STATE))
    for _ in range(2):
        agent.act(observations)
    whole = agent.memory.last_plan
    agent.memory.keep(np.array([False, True, True]))
    assert torch.equal(agent.memory.last_plan.draft, whole.draft[1:])
    assert agent.memory.last_plan.age == whole.age == 1


@pytest.mark.parametrize("row", [{"redraft_every": 3}, {"actions_per_plan": 3}])
def test_an_episode_is_planned_the_same_beside_others_that_end_earlier(row):
    random = np.random.default_rng(0)
    observations = random.normal(size=(8, 3, STATE))
    ends = np.array([8, 2, 5])
    together = Planner(make_planner(temperature=0.0, **row), TARGET, seed=0)
    alone = Planner(make_planner(temperature=0.0, **row), TARGET, seed=0)
    running = np.arange(3)
    for step in range(8):
        actions = together.act(observations[step, running], 1.0)
        expected = alone.act(observations[step, 0], 1.0)
        np.testing.assert_allclose(actions[0], expected, atol=1e-4)
        going_on = ends[running] > step + 1
        together.memory.keep(going_on)
        running = running[going_on]


def test_a_step_for_which_somebody_else_decides_moves_the_plan_on_too():
    models, asked = make_models(), []
    inner = make_planner(models, actions_per_plan=3, start="previous_plan", refine_steps=2)
    plan = inner.plan
    inner.plan = lambda *inputs: asked.append(inputs) or plan(*inputs)
    agent = Planner(inner, TARGET, seed=0)
    observations = np.random.default_rng(0).normal(size=(20, STATE)).astype(np.float32)
    agent.observe(observations[0])
    agent.memory.keep(np.array([True]))
    agent.act(observations[1])
    agent.observe(observations[2])
    action = agent.act(observations[3])
    following = agent.memory.last_plan.states[0, 3]  # two steps after the plan was made, so its fourth state
    expected = models.inverse_dynamics(torch.from_numpy(observations[3]), following)
    np.testing.assert_allclose(action, expected, atol=1e-6)
    for step in range(4, 8):
        agent.observe(observations[step])
    agent.act(observations[8])
    assert [moved for *_, moved in asked] == [0, 7]
    for step in range(9, 8 + HORIZON):
        agent.observe(observations[step])
    agent.act(observations[8 + HORIZON])
    assert asked[-1][3] is None  # nothing is left of the plan


def test_a_reset_begins_new_episodes():
    recorder = Recorder()
    agent = make_agent(recorder)
    agent.act(np.ones((2, STATE)))
    agent.act(np.ones((2, STATE)), np.array([1.0, 2.0]))
    agent.reset()
    agent.act(np.ones((3, STATE)))
    states, returns_to_go, previous = recorder.asked[-1]
    assert states.shape == (3, 1, STATE)
    assert returns_to_go.tolist() == [[TARGET / SCALE]] * 3
    assert previous is None


def test_without_a_reward_the_return_to_go_stays():
    recorder = Recorder()
    agent = make_agent(recorder)
    for _ in range(2):
        agent.act(np.ones(STATE))
    assert recorder.asked[-1][1].tolist() == [[TARGET / SCALE] * 2]


def test_several_actions_of_a_plan_lead_to_its_states_one_after_the_other():
    models, asked = make_models(), []
    inner = make_planner(models, actions_per_plan=3, start="noise", refine_steps="all")
    plan = inner.plan
    inner.plan = lambda *inputs: asked.append(inputs) or plan(*inputs)
    agent = Planner(inner, TARGET, seed=0)
    random = np.random.default_rng(0)
    for step in range(7):
        observations = random.normal(size=(2, STATE)).astype(np.float32)
        action = agent.act(observations, None if step == 0 else 1.0)
        following = agent.memory.last_plan.states[:, step % 3 + 1]
        expected = models.inverse_dynamics(torch.from_numpy(observations), following)
        np.testing.assert_allclose(action, expected, atol=1e-6)
    assert [moved for *_, moved in asked] == [0, 3, 3]
    tokens, padding, *_ = asked[2]  # steps without a plan are remembered all the same
    assert tokens.shape == (2, HISTORY, STATE + 1)
    assert padding == 0
    np.testing.assert_allclose(tokens[0, :, -1] * SCALE, [TARGET - step for step in range(3, 7)], rtol=1e-5)


def test_environments_may_differ_in_target_and_temperature():
    planner = make_planner(forward_noise=True, candidates=2)
    targets, temperatures = np.array([10.0, 20.0, 30.0]), np.array([0.1, 0.5, 1.0])
    together = Planner(planner, targets, seed=0, temperature=temperatures)
    observations = np.random.default_rng(0).normal(size=(3, STATE))
    given = []
    plan = planner.plan
    planner.plan = lambda *inputs: given.append(inputs) or plan(*inputs)
    generator = torch.Generator().manual_seed(0)
    for going_on, left in ([True] * 3, [0, 1, 2]), ([True, False, True], [0, 2]), ([False, True], [2]):
        if together.memory.tokens is not None:
            together.memory.keep(np.array(going_on))
        together.act(observations[left], None if len(left) == 3 else 1.0)
        tokens, _, noise, *_ = given[-1]
        drawn = torch.randn(noise.shape, generator=generator)
        scale = torch.tensor(temperatures[left], dtype=torch.float32).repeat_interleave(2)
        torch.testing.assert_close(noise[:, :, 1:], drawn[:, :, 1:] * scale.view(-1, 1, 1, 1))
        asked = (targets[left] - (3 - len(left))) / SCALE
        np.testing.assert_allclose(tokens[:, -1, -1], asked, rtol=1e-5)


@pytest.mark.parametrize("observation", [np.zeros(1), np.zeros((3, STATE + 1)), np.zeros((2, 3, STATE))])
def test_an_observation_of_another_size_is_refused(observation):
    agent = make_agent(Recorder(True))
    with pytest.raises(ValueError, match=f"the models were trained on {STATE}"):
        agent.act(observation)


def test_another_number_of_environments_without_a_reset_is_refused():
    agent = make_agent(Recorder())
    agent.act(np.zeros((3, STATE)))
    with pytest.raises(ValueError):
        agent.act(np.zeros((2, STATE)))


@pytest.mark.parametrize("row", [{}, {"actions_per_plan": 3}])
def test_actions_are_clipped_to_the_environments_bounds(row):
    bounds = np.float32([[-0.02, -9.0], [0.01, 0.03]])
    free = Planner(make_planner(**row), TARGET, seed=0)
    bounded = Planner(make_planner(make_models(action_bounds=bounds), **row), TARGET, seed=0)
    observations, changed = np.random.default_rng(0).normal(size=(6, 5, STATE)), 0
    for observation in observations:
        expected, action = free.act(observation), bounded.act(observation)
        assert action.dtype == np.float32
        np.testing.assert_array_equal(action, np.minimum(np.maximum(expected, bounds[0]), bounds[1]))
        changed += (action != expected).sum()
    assert 0 < changed < observations[..., :ACTION].size


def test_predict_has_the_signature_of_stable_baselines3():
    parameters = list(inspect.signature(Planner.predict).parameters.values())[1:]
    assert [(each.name, each.default) for each in parameters] == [
        ("observation", inspect.Parameter.empty),
        ("state", None),
        ("episode_start", None),
        ("deterministic", False),
    ]


def test_predict_acts_without_rewards_and_restarts_where_episodes_begin():
    observations = np.random.default_rng(0).normal(size=(7, 2, STATE))
    predicting, acting = (Planner(make_planner(), TARGET, seed=0) for _ in range(2))
    for step, observation in enumerate(observations):
        starts = step in (0, 4)
        if step == 4:
            acting.reset()
        action, state = predicting.predict(observation, None, np.full(2, starts))
        np.testing.assert_array_equal(action, acting.act(observation))
        assert state is None
        assert predicting.memory.padding == max(HISTORY - 1 - step % 4, 0)
        assert (predicting.memory.tokens[:, -1, -1] == TARGET / SCALE).all()
    single, _ = predicting.predict(observations[0, 0], episode_start=True)
    assert single.shape == (ACTION,)
    predicting.predict(observations[0, 0])  # nothing begins unless somebody says so
    assert predicting.memory.padding == HISTORY - 2


def test_predict_refuses_episodes_that_do_not_begin_together():
    agent = make_agent(Recorder())
    with pytest.raises(ValueError, match=r"episode_start: .* must begin together"):
        agent.predict(np.zeros((2, STATE)), episode_start=np.array([True, False]))
    assert agent.memory.tokens is None


NOISY = [{}, {"forward_noise": True, "candidates": 3}, {"start": "noise", "refine_steps": "all"}]


@pytest.mark.parametrize("row", NOISY)
def test_deterministic_actions_are_those_of_a_planner_without_temperature(row):
    cold = Planner(make_planner(**(row | {"temperature": 0.0})), TARGET, seed=0)
    warm = [Planner(make_planner(**row), TARGET, seed=seed) for seed in (1, 2)]
    for observation in np.random.default_rng(0).normal(size=(3, 2, STATE)):
        expected = cold.act(observation)
        for planner in warm:
            action, _ = planner.predict(observation, deterministic=True)
            np.testing.assert_allclose(action, expected, atol=1e-5, rtol=0)
    first, second = (planner.act(observation) for planner in warm)
    assert not np.allclose(first, second, atol=1e-5)


def plans(seed, **row):
    """Plans of the states of `history`, which chance has had its part in or not."""
    planner = Planner(make_planner(**row), TARGET, seed)
    return planner.plan(history()[0][:, -1].numpy())


@pytest.mark.parametrize("forward_noise", [False, True])
def test_without_temperature_a_draft_is_refined_without_chance(forward_noise):
    row = {"temperature": 0.0, "forward_noise": forward_noise}
    np.testing.assert_array_equal(plans(1, **row), plans(2, **row))


def test_with_temperature_the_noise_comes_from_the_planners_own_generator():
    torch.manual_seed(0)
    first = plans(1)
    torch.manual_seed(1)
    np.testing.assert_array_equal(first, plans(1))
    assert not np.allclose(first, plans(2))


def test_noise_is_standard_normal_but_for_the_temperature():
    asked = []
    inner = make_planner(temperature=0.5, forward_noise=True)
    plan = inner.plan
    inner.plan = lambda *inputs: asked.append(inputs) or plan(*inputs)
    agent = Planner(inner, TARGET, seed=0)
    observations = np.zeros((400, STATE))
    for _ in range(2):
        agent.act(observations)
    first, second = (noise for _, _, noise, *_ in asked)
    assert first.shape == (400, 4, HORIZON, STATE)
    for part in (*first.unbind(1), *second.unbind(1)):
        assert float(part[:, 1:].std()) == pytest.approx(0.5, rel=0.05)
        assert float(part[:, 1:].mean()) == pytest.approx(0, abs=0.03)
        # What belongs to the present state is for selection by softmax, at any temperature.
        assert float(part[:, 0].std()) == pytest.approx(1.0, rel=0.1)
    assert not torch.equal(first, second)
