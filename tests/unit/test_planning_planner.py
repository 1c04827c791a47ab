import numpy as np
import pytest
import torch
from small_models import ACTION, HORIZON, ROW, STATE, make_models, make_planner, save_models, stub_planner

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.planning.acceleration import accelerate
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
        self.answered.append(Plan(plan, plan + 1 if self.with_draft else None, plan[:, 1, :2]))
        return self.answered[-1]


def make_agent(recorder):
    planner = stub_planner(recorder, history_length=HISTORY)
    planner.models.normaliser = NORMALISER
    return Planner(planner, TARGET, torch.device("cpu"))


def test_history_and_return_to_go_are_those_of_each_episode_on_its_own():
    recorder = Recorder()
    agent = make_agent(recorder)
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
            np.testing.assert_allclose(states[row], seen[episode][-HISTORY:], atol=1e-5)
            np.testing.assert_allclose(returns_to_go[row] * SCALE, asked[episode][-HISTORY:], rtol=1e-4)
            assert (previous is None) == (plans[episode] is None)
            if previous is not None:
                assert torch.equal(previous.states[row], plans[episode])
            plans[episode] = recorder.answered[-1].states[row]
            np.testing.assert_array_equal(actions[row], recorder.answered[-1].action[row])
        rewards = random.normal(size=len(running))
        for row, episode in enumerate(running):
            asked[episode].append(asked[episode][-1] - rewards[row])
        going_on = np.array([ends[episode] > step + 1 for episode in running])
        agent.keep(going_on)
        rewards = rewards[going_on]
        running = [episode for episode, on in zip(running, going_on, strict=True) if on]
    assert running == []


def test_keep_keeps_the_last_plan_of_those_that_go_on():
    for with_draft in (True, False):
        recorder = Recorder(with_draft)
        agent = make_agent(recorder)
        agent.act(np.zeros((3, STATE)))
        agent.keep(np.array([True, False, True]))
        whole, kept = recorder.answered[0], agent.last_plan
        assert torch.equal(kept.states, whole.states[[0, 2]])
        assert torch.equal(kept.action, whole.action[[0, 2]])
        assert torch.equal(kept.draft, whole.draft[[0, 2]]) if with_draft else kept.draft is None


def test_keep_keeps_what_a_carried_draft_needs():
    agent = Planner(make_planner(redraft_every=3), TARGET, torch.device("cpu"))
    observations = np.random.default_rng(0).normal(size=(3, STATE))
    for _ in range(2):
        agent.act(observations)
    whole = agent.last_plan
    agent.keep(np.array([False, True, True]))
    assert torch.equal(agent.last_plan.draft_returns, whole.draft_returns[1:])
    assert agent.last_plan.age == whole.age == 1


@pytest.mark.parametrize("row", [{"redraft_every": 3}, {"actions_per_plan": 3}])
def test_an_episode_is_planned_the_same_beside_others_that_end_earlier(row):
    random = np.random.default_rng(0)
    observations = random.normal(size=(8, 3, STATE))
    ends = np.array([8, 2, 5])
    together = Planner(make_planner(temperature=0.0, **row), TARGET, torch.device("cpu"))
    alone = Planner(make_planner(temperature=0.0, **row), TARGET, torch.device("cpu"))
    running = np.arange(3)
    for step in range(8):
        actions = together.act(observations[step, running], 1.0)
        expected = alone.act(observations[step, 0], 1.0)
        np.testing.assert_allclose(actions[0], expected, atol=1e-4)
        going_on = ends[running] > step + 1
        together.keep(going_on)
        running = running[going_on]


def test_a_step_for_which_somebody_else_decides_moves_the_plan_on_too():
    models, asked = make_models(), []
    inner = make_planner(models, actions_per_plan=3, start="previous_plan", refine_steps=2)
    plan = inner.plan
    inner.plan = lambda *inputs: asked.append(inputs) or plan(*inputs)
    agent = Planner(inner, TARGET, torch.device("cpu"))
    observations = np.random.default_rng(0).normal(size=(20, STATE)).astype(np.float32)
    agent.observe(observations[0])
    agent.keep(np.array([True]))
    agent.act(observations[1])
    agent.observe(observations[2])
    action = agent.act(observations[3])
    following = agent.last_plan.states[0, 3]  # two steps after the plan was made, so its fourth state
    expected = models.inverse_dynamics(torch.from_numpy(observations[3]), following)
    np.testing.assert_allclose(action, expected, atol=1e-6)
    for step in range(4, 8):
        agent.observe(observations[step])
    agent.act(observations[8])
    assert [moved for *_, moved in asked] == [0, 7]
    for step in range(9, 9 + HORIZON):
        agent.observe(observations[step])
    agent.act(observations[9 + HORIZON])
    assert asked[-1][2] is None  # nothing is left of the plan


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
    agent = Planner(inner, TARGET, torch.device("cpu"))
    random = np.random.default_rng(0)
    for step in range(7):
        observations = random.normal(size=(2, STATE)).astype(np.float32)
        action = agent.act(observations, None if step == 0 else 1.0)
        following = agent.last_plan.states[:, step % 3 + 1]
        expected = models.inverse_dynamics(torch.from_numpy(observations), following)
        np.testing.assert_allclose(action, expected, atol=1e-6)
    assert [moved for *_, moved in asked] == [0, 3, 3]
    states, returns_to_go, _, _ = asked[2]  # steps without a plan are remembered all the same
    assert states.shape == (2, HISTORY, STATE)
    np.testing.assert_allclose(returns_to_go[0] * SCALE, [TARGET - step for step in range(3, 7)], rtol=1e-5)


@pytest.fixture
def run(tmp_path):
    """A run directory with one evaluated planner."""
    save_models(tmp_path, make_models())
    record = {"planner_row": ROW | {"guidance": "task"}, "guidance": 1.5, "target_return": TARGET}
    record["precision"] = "float32"
    (tmp_path / "evaluation" / "mine").mkdir(parents=True)
    write_json(tmp_path / "evaluation" / "mine" / "evaluation.json", record)
    return tmp_path


def test_a_loaded_planner_plans_as_the_evaluated_one(run):
    observations = np.random.default_rng(0).normal(size=(3, STATE))
    ours = Planner.load(run, "mine", seed=5)
    models, device = make_models(), torch.device("cpu")
    accelerate(models, {"compile": False, "precision": "float32"}, device)
    theirs = Planner(make_planner(models, seed=5, guidance=1.5), TARGET, device)
    for step in range(6):
        reward = None if step == 0 else 1.0
        np.testing.assert_array_equal(ours.act(observations, reward), theirs.act(observations, reward))


def test_one_environment_is_a_vector_of_one(run):
    observation = np.random.default_rng(0).normal(size=STATE)
    single, vector = Planner.load(run, "mine"), Planner.load(run, "mine")
    for reward in (None, 2.0):
        action = single.act(observation, reward)
        assert action.shape == (ACTION,)
        batch = vector.act(observation[None], None if reward is None else np.array([reward]))
        np.testing.assert_array_equal(action, batch[0])


def test_a_plan_begins_with_the_observation_and_is_in_its_units(run):
    planner = Planner.load(run, "mine", seed=3)
    planner.planner.models.normaliser = NORMALISER
    observation = np.array([1.5, 2.5, 3.5])
    states = planner.plan(observation)
    assert states.shape == (HORIZON, STATE)
    np.testing.assert_allclose(states[0], observation, atol=1e-5)
    planner.reset(seed=3)
    np.testing.assert_array_equal(planner.plan(observation), states)


def test_a_planner_that_was_not_evaluated_is_named(run):
    with pytest.raises(UserError, match=r"evaluation: planner 'yours' was not evaluated.*there are: mine"):
        Planner.load(run, "yours")


@pytest.mark.parametrize("observation", [np.zeros(1), np.zeros((3, STATE + 1)), np.zeros((2, 3, STATE))])
def test_an_observation_of_another_size_is_refused(observation):
    agent = make_agent(Recorder(True))
    with pytest.raises(ValueError, match=f"the models were trained on {STATE}"):
        agent.act(observation)
