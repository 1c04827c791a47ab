"""Environments as params.yaml describes them."""

import sys

import numpy as np
import pytest
from small_environments import broken

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments.environment import (
    join_observations,
    make_environment,
    make_vector_environment,
)

MAZE = {
    "id": "PointMaze_UMaze-v3",
    "arguments": {"continuing_task": True, "reset_target": False},
    "max_episode_steps": 20,
    "observation_keys": ["observation", "desired_goal"],
}
HOPPER = {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 20, "observation_keys": None}


@pytest.mark.parametrize(
    "keys", [["observation", "desired_goal"], ["achieved_goal", "observation", "desired_goal"]]
)
def test_observations_are_joined_in_the_given_order(keys: list[str]) -> None:
    environment = make_environment({**MAZE, "observation_keys": keys})
    observation, _ = environment.reset(seed=3)
    parts, _ = environment.unwrapped.reset(seed=3)
    np.testing.assert_array_equal(observation, np.concatenate([parts[key] for key in keys]))
    assert environment.observation_space.shape == observation.shape


def test_maze_episodes_go_on_at_the_goal_until_they_are_cut_off() -> None:
    environment = make_environment(MAZE)
    observation, _ = environment.reset(seed=0)
    inner = environment.unwrapped
    inner.point_env.set_state(np.array(observation[4:6]), np.zeros(2))  # put the point on its goal
    for step in range(1, 21):
        observation, reward, terminated, truncated, _ = environment.step(np.zeros(2, np.float32))
        assert (reward, terminated, truncated) == (1.0, False, step == 20)
    np.testing.assert_array_equal(observation[4:6], inner.goal)


def test_nested_observations_are_flattened_as_recorded_ones_are() -> None:
    keys = ["observation", "desired_goal"]
    kitchen = {"id": "FrankaKitchen-v1", "arguments": {"tasks_to_complete": ["kettle", "microwave"]}}
    environment = make_environment({**kitchen, "max_episode_steps": 5, "observation_keys": keys})
    observation, _ = environment.reset(seed=0)
    parts, _ = environment.unwrapped.reset(seed=0)
    goals = parts["desired_goal"]
    assert observation.shape == environment.observation_space.shape == (59 + 7 + 1,)
    assert sorted(observation[59:]) == sorted(np.concatenate([goals["kettle"], goals["microwave"]]))
    recorded = {
        "observation": np.stack([parts["observation"]] * 3),
        "desired_goal": {name: np.stack([goal] * 3) for name, goal in goals.items()},
    }
    joined = join_observations(recorded, environment.unwrapped.observation_space, keys)
    np.testing.assert_array_equal(joined, np.stack([observation] * 3))


@pytest.mark.parametrize("identifier", ["AdroitHandDoor-v1", "AntMaze_UMaze-v5", "FrankaKitchen-v1"])
def test_resets_with_a_seed_are_repeatable(identifier: str) -> None:
    keys = None if identifier.startswith("Adroit") else ["achieved_goal", "observation", "desired_goal"]
    entry = {"id": identifier, "arguments": {}, "max_episode_steps": 5, "observation_keys": keys}
    observations = []
    for _ in range(2):
        environment = make_environment(entry)
        environment.reset(seed=1)
        environment.step(environment.action_space.high)
        observations.append(environment.reset(seed=2)[0])
    np.testing.assert_array_equal(*observations)


def test_meta_world_draws_the_goal_from_the_seed() -> None:
    pytest.importorskip("metaworld")
    arguments = {"env_name": "reach-v3", "seed": 0}
    entry = {"id": "Meta-World/MT1", "arguments": arguments, "max_episode_steps": 5, "observation_keys": None}
    first, second = make_environment(entry), make_environment(entry)
    goals = [first.reset(seed=seed)[0][-3:] for seed in range(5)]
    assert len(np.unique(goals, axis=0)) > 1
    second.reset(seed=9)
    np.testing.assert_array_equal([second.reset(seed=seed)[0][-3:] for seed in range(5)], goals)


@pytest.mark.parametrize("identifier", ["cube-single-singletask-v0", "puzzle-3x3-singletask-task1-v0"])
def test_ogbench_starts_from_the_seed_alone(identifier: str) -> None:
    pytest.importorskip("ogbench", reason="OGBench's tasks need pyproject's optional group ogbench")
    entry = {"id": identifier, "arguments": {}, "max_episode_steps": 50, "observation_keys": None}
    first, second = make_environment(entry), make_environment(entry)
    second.reset(seed=9)
    for seed in (1, 2):
        runs = []
        for environment in (first, second):
            states = [environment.reset(seed=seed)[0]]
            states += [environment.step(np.full(5, 0.5, np.float32))[0] for _ in range(10)]
            runs.append(states)
        np.testing.assert_array_equal(*runs)


@pytest.mark.parametrize(
    ("identifier", "package"), [("Meta-World/MT1", "metaworld"), ("cube-single-singletask-v0", "ogbench")]
)
def test_a_package_that_is_not_installed_is_named(
    identifier: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (package, "ogbench.manipspace.envs.manipspace_env"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"environment\.id: {identifier} .*pip install {package}=="):
        make_environment({**HOPPER, "id": identifier})


def test_vector_environment_is_the_single_ones_side_by_side() -> None:
    vector, single = make_vector_environment(HOPPER, 3), make_environment(HOPPER)
    observations, _ = vector.reset(seed=[5, 6, 7])
    assert observations.shape == (3, 11)
    for index, seed in enumerate((5, 6, 7)):
        np.testing.assert_array_equal(observations[index], single.reset(seed=seed)[0])
    action = np.full(3, 0.3, np.float32)
    stepped = vector.step(np.tile(action, (3, 1)))[0]
    np.testing.assert_array_equal(stepped[2], single.step(action)[0])


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({**HOPPER, "id": "Hoper-v5"}, r"environment\.id.*'Hoper-v5'"),
        ({**HOPPER, "id": "Hopper-v2"}, r"environment\.id.*'Hopper-v2'"),
        ({**HOPPER, "arguments": {"gravity": 1}}, r"environment\.arguments: Hopper-v5 .*gravity"),
        (
            broken("raises when made"),
            r"environment\.id: 'Broken-v0' cannot be made: RuntimeError: no physics",
        ),
        ({**HOPPER, "observation_keys": ["observation"]}, r"observation_keys.*Hopper-v5.*null"),
        ({**MAZE, "observation_keys": None}, r"observation_keys.*None.*desired_goal"),
        ({**MAZE, "observation_keys": ["observation", "goal"]}, r"observation_keys.*'goal'.*desired_goal"),
        ({**MAZE, "observation_keys": ["observation"]}, r"position \(observation or .*desired_goal last"),
        ({**MAZE, "observation_keys": ["desired_goal", "observation"]}, "must come first"),
        (
            {"id": "AntMaze_UMaze-v5", "arguments": {}, "max_episode_steps": 5}
            | {"observation_keys": ["observation", "desired_goal"]},
            r"position \(achieved_goal\) must come first",
        ),
    ],
)
def test_mistakes_are_named_in_one_line(environment: dict, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        make_environment(environment)
    assert "\n" not in str(caught.value)


def test_an_environment_of_a_users_module_is_named_with_it(tmp_path, monkeypatch):
    environment = {"id": "my_own_tasks:Mine-v0", "arguments": {}, "observation_keys": None}
    environment["max_episode_steps"] = 7
    with pytest.raises(UserError, match=r"'my_own_tasks:Mine-v0' cannot be made.*export PYTHONPATH="):
        make_environment(environment)
    entry = "gymnasium.envs.classic_control:PendulumEnv"
    (tmp_path / "my_own_tasks.py").write_text(f"import gymnasium\ngymnasium.register('Mine-v0', '{entry}')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert make_environment(environment).spec.id == "Mine-v0"
