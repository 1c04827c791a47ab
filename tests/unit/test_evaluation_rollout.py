from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
import torch
from small_environments import COUNTING, RING, TWO_WAYS
from small_models import make_planner, make_policy, stub_planner

from trajectory_diffuser.collecting.scripted_policies import WaypointController
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.recorder import PLAN_SNAPSHOTS
from trajectory_diffuser.evaluation.rollout import joined, run_episodes
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.trajectory_planner import Plan

HOPPER = {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 30, "observation_keys": None}
SEEDS = [3, 4, 5, 6, 7]
STATE, HORIZON = 11, 4
NORMALISER = Normaliser(
    mean=np.full(STATE, 0.5, np.float32),
    std=np.full(STATE, 2.0, np.float32),
    minimum=np.full(STATE, -9, np.float32),
    maximum=np.full(STATE, 9, np.float32),
)


def policy(state):
    """Exact arithmetic only, so that a batch gives what single rows give; often out of the action's range."""
    return -40 * state[..., 5:8]


def act(states, returns_to_go, previous):
    now = states[:, -1]  # [N, state]
    plan = now[:, None] + torch.arange(HORIZON)[None, :, None]  # [N, H, state]
    draft = torch.nn.functional.pad(plan + 10, (0, 1))  # a return-to-go beside each state
    return Plan(plan, policy(now), draft)


def evaluate(seeds=SEEDS, maze=None, planner=act):
    stub = stub_planner(planner, state_size=STATE, horizon=HORIZON)
    stub.models.normaliser, stub.models.action_bounds = NORMALISER, np.float32([[-1] * 3, [1] * 3])
    return run_episodes(Planner(stub, 100.0, seed=0), HOPPER, seeds, maze, "test")


def by_hand(seed):
    """One episode in one environment: rewards [L] and observations [L + 1, obs]."""
    environment = gymnasium.make("Hopper-v5", max_episode_steps=30)
    observation, _ = environment.reset(seed=seed)
    observations, rewards, over = [observation], [], False
    while not over:
        state = (observation.astype(np.float32) - NORMALISER.mean) / NORMALISER.std
        action = np.clip(policy(state), environment.action_space.low, environment.action_space.high)
        observation, reward, terminated, truncated, _ = environment.step(action)
        observations.append(observation)
        rewards.append(reward)
        over = terminated or truncated
    environment.close()
    return np.array(rewards), np.stack(observations)


@pytest.fixture(scope="module")
def rollout():
    return evaluate()


@pytest.fixture(scope="module")
def expected():
    return [by_hand(seed) for seed in SEEDS]


def test_episodes_side_by_side_are_the_episodes_one_by_one(rollout, expected):
    assert rollout.lengths.tolist() == [len(rewards) for rewards, _ in expected]
    np.testing.assert_allclose(rollout.returns, [rewards.sum() for rewards, _ in expected], rtol=1e-6)
    assert len(set(rollout.lengths)) > 2  # some end earlier than others: that is what could go wrong
    assert max(rollout.lengths) == HOPPER["max_episode_steps"]


def test_successes_are_those_that_the_environment_reported(rollout):
    counted = count_steps(SEEDS)
    assert counted.lengths.tolist() == [3 + seed % 3 for seed in SEEDS]
    assert counted.successes.tolist() == [seed % 2 == 0 for seed in SEEDS]
    assert np.isnan(rollout.successes).all()  # Hopper reports none


def count_steps(seeds, noise_seed=0):
    """Episodes with real networks and noise."""
    return run_episodes(Planner(make_planner(), 5.0, noise_seed), COUNTING, seeds, None, "test")


def test_groups_are_joined_in_their_order_and_the_first_ones_plans_are_kept():
    groups = [count_steps(SEEDS[:2]), count_steps(SEEDS[2:], noise_seed=1)]
    whole = joined(groups)
    assert whole.lengths.tolist() == [3 + seed % 3 for seed in SEEDS]
    np.testing.assert_array_equal(whole.returns, np.append(groups[0].returns, groups[1].returns))
    assert whole.plans is groups[0].plans


def test_each_episode_goes_on_with_what_is_left_of_its_own_return(expected):
    asked = []

    def remember(states, returns_to_go, previous):
        asked.append(returns_to_go[:, -1] * 10)
        return act(states, returns_to_go, previous)

    evaluate(planner=remember)
    for step, left in enumerate(asked):
        running = [rewards for rewards, _ in expected if len(rewards) > step]
        np.testing.assert_allclose(left, [100 - rewards[:step].sum() for rewards in running], rtol=1e-4)


def test_the_first_episodes_path_and_plans_are_recorded_in_raw_units(rollout, expected):
    plans, path = rollout.plans, expected[0][1]
    np.testing.assert_allclose(plans["executed"], path, atol=1e-4)
    assert plans["plan"].shape == plans["draft"].shape == (len(plans["steps"]), HORIZON, STATE)
    assert 1 < len(plans["steps"]) <= PLAN_SNAPSHOTS
    assert plans["steps"][0] == 0
    assert plans["steps"][-1] == len(path) - 2
    for step, plan, draft in zip(plans["steps"], plans["plan"], plans["draft"], strict=True):
        np.testing.assert_allclose(plan, path[step] + 2 * np.arange(HORIZON)[:, None], atol=1e-4)
        np.testing.assert_allclose(draft, plan + 20, atol=1e-4)


def test_where_there_is_no_draft_it_is_recorded_as_nan():
    def without_draft(states, returns_to_go, previous):
        plan = act(states, returns_to_go, previous)
        return Plan(plan.states, plan.action, None)

    plans = evaluate(SEEDS[:1], planner=without_draft).plans
    assert np.isnan(plans["draft"]).all()
    assert np.isfinite(plans["plan"]).all()


def test_walls_are_counted_over_all_segments_of_all_plans_of_an_episode(rollout, expected):
    def crosses_wall(start, end):
        np.testing.assert_allclose(end - start, 2, atol=1e-4)  # raw units, neighbouring states
        return start[..., 1] > 2.0

    maze = Maze(RING)
    maze.crosses_wall = crosses_wall
    crossed = evaluate(maze=maze).wall_crossing_fractions
    for fraction, (_, path) in zip(crossed, expected, strict=True):
        starts = path[:-1, None, 1] + 2 * np.arange(HORIZON - 1)  # [L, H - 1]
        assert fraction == pytest.approx((starts > 2.0).mean())
    assert ((crossed > 0) & (crossed < 1)).all()
    assert np.isnan(rollout.wall_crossing_fractions).all()


def test_a_policy_runs_the_same_episodes_and_leaves_no_plans():
    maze = Maze(RING)
    maze.crosses_wall = lambda start, end: pytest.fail("there are no plans")
    policy = make_policy()
    rollout = run_episodes(policy, COUNTING, SEEDS, maze, "test")
    assert rollout.lengths.tolist() == [3 + seed % 3 for seed in SEEDS]
    assert rollout.plans == {}
    assert np.isnan(rollout.wall_crossing_fractions).all()
    for seed, expected in zip(SEEDS, rollout.returns, strict=True):
        environment = gymnasium.make("Counting-v0")
        policy.reset()
        observation, _ = environment.reset(seed=seed)
        reward, total, over = None, 0.0, False
        while not over:
            observation, reward, over, _, _ = environment.step(policy.act(observation, reward))
            total += reward
        assert total == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("detours", "expected"), [(0.0, 1), (1.0, 0)])
def test_the_way_that_an_episode_took_is_recorded(detours, expected):
    maze = Maze(RING)
    controller, generator = WaypointController(maze, detours=detours), np.random.default_rng(0)
    acting = SimpleNamespace(
        act=lambda observations, rewards: np.stack([controller(each, generator) for each in observations]),
        memory=SimpleNamespace(new_plan=None, keep=lambda running: None),
    )
    rollout = run_episodes(acting, TWO_WAYS, [0, 1, 2], maze, "test")
    assert rollout.shortest_ways.tolist() == [expected] * 3
    assert rollout.successes.tolist() == [1] * 3
