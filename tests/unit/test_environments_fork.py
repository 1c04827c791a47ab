"""The fork: two ways as long as each other, and data that take them in the shares that were asked for."""

import numpy as np
import pytest
from small_environments import FORK

from trajectory_diffuser.collecting.collection import collect_episode
from trajectory_diffuser.collecting.scripted_policies import WaypointController
from trajectory_diffuser.collecting.sources.controller import find_controller
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.environments.maze import Maze


@pytest.fixture
def fork():
    return make_environment(FORK)


def test_the_share_of_each_way_is_the_one_asked_for(fork):
    policy = find_controller("fork", fork, detours=0.2)
    right = []
    for seed in range(2000):
        observation, _ = fork.reset(seed=seed)
        right.append(policy(observation, np.random.default_rng(seed))[0] > 0)
    assert abs(np.mean(right) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 2000)  # four standard deviations


@pytest.mark.parametrize(("detours", "side"), [(0.0, -1), (1.0, 1)])
def test_the_controller_goes_round_the_block_and_stays_at_the_goal(fork, detours, side):
    for seed in range(3):
        episode = collect_episode(fork, WaypointController(Maze.of_environment(fork), 0.3, detours), seed)
        x, y = episode.observations[:, :2].T
        assert (side * x[np.abs(y) < 0.5] > 0.5).all()
        first = int(np.argmax(episode.rewards))
        assert 15 < first < 25 and episode.rewards[first:].all()


def test_both_ways_have_the_same_return(fork):
    actions = np.random.default_rng(0).uniform(-1, 1, (30, 2)).astype(np.float32)
    paths, rewards = [], []
    for side in (1, -1):
        fork.reset(seed=0)
        fork.unwrapped.position = np.array([0.0, 0.9])
        answers = [fork.step(action * np.float32([side, 1])) for action in actions]
        paths.append([answer[0][:4] * [side, 1, side, 1] for answer in answers])
        rewards.append([answer[1] for answer in answers])
    np.testing.assert_array_equal(paths[0], paths[1])
    assert rewards[0] == rewards[1] and 0 < sum(rewards[0]) < 30


def test_walls_stop_the_point_and_let_it_slide(fork):
    fork.reset(seed=0)
    positions = np.array([fork.step(np.float32([0.5, 1.0]))[0][:2] for _ in range(12)])
    below = positions[np.abs(positions[:, 0]) < 0.5]
    assert len(below) and (below[:, 1] < -0.5).all()  # the block is not entered
    assert positions[-1, 0] > 0.5 and positions[-1, 1] > -0.5  # along it, and round it


def test_equal_seeds_start_alike_near_the_start(fork):
    starts = np.array([fork.reset(seed=seed)[0] for seed in (0, 1, 0)])
    np.testing.assert_array_equal(starts[0], starts[2])
    assert (starts[0] != starts[1]).any()
    assert np.abs(starts - [0, -1, 0, 0, 0, 1]).max() <= 0.1
