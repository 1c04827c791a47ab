"""OGBench's data: rewards and ends are the task environment's; OGBench's own loader reads it back equal."""

import itertools
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from http_server import HttpFolder
from hypothesis import given
from hypothesis import strategies as st

from trajectory_diffuser.collecting.collection import Episode, collect_episode
from trajectory_diffuser.collecting.fetching import fetch
from trajectory_diffuser.collecting.minari_store import RawDataset
from trajectory_diffuser.collecting.oracles import OraclePolicy
from trajectory_diffuser.collecting.sources import open_source
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.collecting.sources.ogbench import (
    FactsRecorder,
    Trajectory,
    episode_bounds,
    play,
    read_trajectories,
    task_episodes,
    task_rewards,
)
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments.environment import make_environment

LIMITS = {"cube-single": 200, "puzzle-3x3": 500, "scene": 750}
NOT_INSTALLED = "OGBench's tasks need pyproject's optional group ogbench"
PLAY, NOISY = ("plan", 0.1, 0.0), ("markov", 0.1, 0.1)


def entry(name: str, **changes: Any) -> dict[str, Any]:
    """The `environment` entry of a task."""
    limit = {"max_episode_steps": LIMITS[name]}
    return {"id": f"{name}-singletask-v0", "arguments": {}, "observation_keys": None} | limit | changes


@pytest.fixture(scope="module", params=["cube-single", "puzzle-3x3"])
def task(request: pytest.FixtureRequest) -> gymnasium.Env:
    pytest.importorskip("ogbench", reason=NOT_INSTALLED)
    return make_environment(entry(request.param))


@pytest.fixture(scope="module")
def trajectory(task: gymnasium.Env) -> Trajectory:
    """A trajectory of play with states in which the task is solved: the last steps are a demonstration's."""
    played = next(play(task, PLAY, (0, "test")))
    recorder = FactsRecorder(task)
    shown = collect_episode(recorder, OraclePolicy(recorder, *NOISY), 0)
    assert shown.terminated
    names = recorder.names
    return Trajectory(
        np.concatenate([played.observations[:600], shown.observations]),
        np.concatenate([played.actions[:600], shown.actions]),
        {name: np.concatenate([played.facts[name][:600], recorder.recorded()[name]]) for name in names},
    )


def published(trajectories: list[Trajectory]) -> dict[str, np.ndarray]:
    """Arrays as in OGBench's files: a row per state, with an action that leads nowhere at each last one."""
    last = np.zeros_like(trajectories[0].actions[:1])
    arrays = {
        "observations": np.concatenate([t.observations for t in trajectories]).astype(np.float32),
        "actions": np.concatenate([a for t in trajectories for a in (t.actions, last)]).astype(np.float32),
        "terminals": np.concatenate([np.arange(len(t.actions) + 1) == len(t.actions) for t in trajectories]),
    }
    facts = {name: np.concatenate([t.facts[name] for t in trajectories]) for name in trajectories[0].facts}
    return arrays | facts


def same(one: Episode, other: Episode) -> None:
    for name in ("observations", "actions", "rewards"):
        expected = np.asarray(getattr(other, name), np.float32)
        np.testing.assert_array_equal(np.asarray(getattr(one, name), np.float32), expected)
    assert one.terminated == other.terminated


# Of the environment: rewards and ends


def test_rewards_are_the_environments_in_the_same_states(task: gymnasium.Env, trajectory: Trajectory) -> None:
    rewards, solved = task_rewards(trajectory, task)
    scene = task.unwrapped
    task.reset(seed=0)
    for index in [*range(0, len(rewards), 40), len(rewards) - 1]:
        scene._data.qpos[:] = trajectory.facts["qpos"][index]
        if "button_states" in trajectory.facts:
            scene._cur_button_states = trajectory.facts["button_states"][index]
        assert rewards[index] == scene.compute_reward()
        assert solved[index] == (rewards[index] == 0)
    assert solved[-1] and len(np.unique(rewards)) > 1


def test_an_episode_of_the_environment_is_found_again_whole(task: gymnasium.Env) -> None:
    recorder = FactsRecorder(task)
    shown = collect_episode(recorder, OraclePolicy(recorder, *NOISY), 1)
    (found,) = task_episodes(Trajectory(shown.observations, shown.actions, recorder.recorded()), task)
    same(found, shown)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 12))
def test_episodes_end_where_an_environment_that_is_stepped_would_end_them(solved: list, longest: int) -> None:
    expected, first = [], None
    for step in range(len(solved) - 1):
        if first is None and solved[step]:
            continue  # no environment starts there
        first = step if first is None else first
        if solved[step] or step + 1 - first == longest:
            expected.append((first, step + 1, solved[step]))
            first = None
    assert list(episode_bounds(np.array(solved), longest)) == expected


# The package's own loader


def test_ogbench_reads_collected_episodes_back_equal(
    task: gymnasium.Env, trajectory: Trajectory, tmp_path: Path
):
    from ogbench.utils import load_dataset

    source = {"kind": "ogbench", "mixture": [part("plan", "any", 300), part("markov", "task", 100)]}
    episodes = list(open_source(Request("toy", source, None, task, 0, tmp_path)).episodes)
    assert sum(map(len, episodes)) >= 400 and any(episode.terminated for episode in episodes)
    file = published([Trajectory(episode.observations, episode.actions) for episode in episodes])
    np.savez_compressed(tmp_path / "toy.npz", **file)
    read = load_dataset(str(tmp_path / "toy.npz"))
    for name, parts in {
        "observations": [episode.observations[:-1] for episode in episodes],
        "next_observations": [episode.observations[1:] for episode in episodes],
        "actions": [episode.actions for episode in episodes],
        "terminals": [np.arange(len(episode)) == len(episode) - 1 for episode in episodes],
    }.items():
        np.testing.assert_array_equal(read[name], np.concatenate(parts).astype(np.float32))


def test_a_file_is_read_as_ogbench_reads_it(
    task: gymnasium.Env, trajectory: Trajectory, tmp_path: Path
) -> None:
    from ogbench import make_env_and_datasets

    for name in ("toy.npz", "toy-val.npz"):
        np.savez_compressed(tmp_path / name, **published([trajectory, trajectory]))
    name = task.spec.id.replace("-singletask", "-play-singletask")
    _, theirs, _ = make_env_and_datasets(name, dataset_path=str(tmp_path / "toy.npz"))
    ours = list(read_trajectories(tmp_path / "toy.npz"))
    assert len(ours) == 2
    labels = [task_rewards(trajectory, task) for trajectory in ours]
    for key, parts in {
        "observations": [trajectory.observations[:-1] for trajectory in ours],
        "actions": [trajectory.actions for trajectory in ours],
        "rewards": [rewards[:-1] for rewards, _ in labels],
        "masks": [1.0 - solved[:-1] for _, solved in labels],
    }.items():
        np.testing.assert_array_equal(theirs[key], np.concatenate(parts))


def open_file(task: gymnasium.Env, data: Path, **changes: Any) -> Recording:
    source = {
        "kind": "ogbench_file",
        "file": "toy.npz",
        "sha256": None,
        "clip_actions": False,
        "licence": "MIT",
    }
    return open_source(Request("toy", source | changes, None, task, 0, data))


def test_a_file_is_brought_or_downloaded(
    task: gymnasium.Env, trajectory: Trajectory, tmp_path: Path, http_folder: HttpFolder
) -> None:
    folder = tmp_path / "external" / "toy"
    folder.mkdir(parents=True)
    for path in (folder, http_folder.path):
        np.savez_compressed(path / "toy.npz", **published([trajectory, trajectory]))
    once = list(task_episodes(trajectory, task))
    for place in ("toy.npz", f"{http_folder.url}/toy.npz"):
        for one, other in zip(open_file(task, tmp_path, file=place).episodes, once * 2, strict=True):
            same(one, other)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda arrays: arrays.pop("qpos"), "no array 'qpos'"),
        (lambda arrays: arrays.update(actions=arrays["actions"][:-1]), "arrays of different lengths"),
    ],
)
def test_a_file_that_is_none_of_ogbenchs_is_refused(spoil: Any, words: str, tmp_path: Path) -> None:
    toy = Trajectory(np.zeros((4, 2)), np.zeros((3, 1)), {"qpos": np.zeros((4, 3))})
    arrays = published([toy])
    spoil(arrays)
    np.savez(tmp_path / "toy.npz", **arrays)
    with pytest.raises(UserError, match=rf"toy\.npz: {words}"):
        list(read_trajectories(tmp_path / "toy.npz"))
    (tmp_path / "toy.npz").write_bytes(b"PK nothing")
    with pytest.raises(UserError, match=r"toy\.npz: not a readable \.npz file"):
        list(read_trajectories(tmp_path / "toy.npz"))


def test_the_controller_source_names_ogbenchs_own(task: gymnasium.Env, tmp_path: Path) -> None:
    source = {"kind": "controller", "steps": 10, "action_noise": 0.0}
    with pytest.raises(UserError, match=r"tasks\.toy\.source\.kind: .* use kind: ogbench"):
        open_source(Request("toy", source, None, task, 0, tmp_path))


def test_another_environment_is_refused(tmp_path: Path) -> None:
    hopper = {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 4, "observation_keys": None}
    for kind in ("ogbench", "ogbench_file"):
        request = Request("toy", {"kind": kind}, None, make_environment(hopper), 0, tmp_path)
        with pytest.raises(UserError, match=rf"tasks\.toy\.source\.kind: {kind} needs .* Hopper-v5"):
            open_source(request)


# Oracles


@pytest.mark.parametrize(("name", "oracle"), itertools.product(LIMITS, ("plan", "markov")))
def test_oracles_reach_the_goal(name: str, oracle: str) -> None:
    pytest.importorskip("ogbench", reason=NOT_INSTALLED)
    environment = make_environment(entry(name))
    assert collect_episode(environment, OraclePolicy(environment, oracle), 0).terminated


def test_the_same_seed_gives_the_same_data(task: gymnasium.Env, tmp_path: Path) -> None:
    name = task.spec.id.removesuffix("-singletask-v0")
    settings = {"seed": 0, "reference_episodes": 1}
    mixture = [part("plan", "any", 10), part("markov", "task", 10)]
    described = {"environment": entry(name), "source": {"kind": "ogbench", "mixture": mixture}}
    for run in ("first", "second"):
        np.random.seed(len(run))  # the oracles draw from this generator
        fetch("toy", described | {"reference_scores": "measured"}, settings, tmp_path, tmp_path / run)
    first, second = (RawDataset(tmp_path / run, "toy") for run in ("first", "second"))
    assert first.collection == second.collection
    assert set(first.collection["origin"]["versions"]) == {"ogbench", "dm-control"}
    worst = min(task_rewards_of(task)) * LIMITS[name]
    scores = first.collection["reference_scores"]
    assert worst <= scores["minimum"] < scores["maximum"] < 0
    for one, other in zip(first.episodes(), second.episodes(), strict=True):
        same(one, other)
        np.testing.assert_array_equal(one.observations, other.observations)


def task_rewards_of(task: gymnasium.Env) -> tuple[float, float]:
    """Lowest and highest reward of a step."""
    return -float(len(np.ravel(task.unwrapped._compute_successes()))), 0.0


def part(oracle: str, goal: str, steps: int) -> dict[str, Any]:
    return {"oracle": oracle, "goal": goal, "noise": 0.1, "random_actions": 0.1, "steps": steps}
