"""From source entry to Minari dataset to prepared arrays, with actors made up on the spot."""

import os
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
import pytest
from minari.data_collector import EpisodeBuffer
from safetensors.numpy import save_file
from test_collecting_actors import actor_weights, write_npz_actor

from trajectory_diffuser.collecting.actors import Actor, find_actors
from trajectory_diffuser.collecting.collection import Episode, collect_episode, collect_steps
from trajectory_diffuser.collecting.fetching import fetch
from trajectory_diffuser.collecting.minari_store import RawDataset, write_dataset
from trajectory_diffuser.collecting.preparation import prepare
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.environments.environment import make_environment

HOPPER = {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 50, "observation_keys": None}
MAZE = {
    "id": "PointMaze_UMaze-v3",
    "arguments": {"continuing_task": True, "reset_target": False},
    "max_episode_steps": 40,
    "observation_keys": ["observation", "desired_goal"],
}
SETTINGS = {"seed": 0, "reference_episodes": 8}
SCORES = {"minimum": -20.0, "maximum": 3000.0, "origin": "D4RL"}
HOPPER_ENTRY = {
    "environment": HOPPER,
    "source": {
        "kind": "behaviour",
        "ladder": "hopper",
        "mixture": [
            {"actors": ["replay"], "noise": 1.0, "steps": 75},
            {"actors": ["expert"], "noise": 1.0, "steps": 225},
        ],
    },
    "reference_scores": SCORES,
}
MAZE_ENTRY = {
    "environment": MAZE,
    "source": {"kind": "controller", "steps": 300, "action_noise": 0.5},
    "reference_scores": "measured",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder `data` with the ladder `hopper`: replay rungs at 0 and 10, medium at 20, expert at 30."""
    folder = tmp_path / "data" / "behaviour" / "hopper"
    folder.mkdir(parents=True)
    rungs = []
    for step, role in ((0, "replay"), (10, "replay"), (20, "medium"), (30, "expert")):
        save_file(actor_weights(step), folder / f"step_{step:07d}.safetensors")
        rungs.append({"file": f"step_{step:07d}.safetensors", "step": step, "role": role})
    write_json(folder / "ladder.json", {"environment": "Hopper-v5", "algorithm": "TQC", "rungs": rungs})
    return tmp_path / "data"


def test_actors_by_role_and_by_file(data: Path) -> None:
    folder = data / "behaviour" / "hopper"
    found = {
        name: [stem[-2:] for stem, _ in find_actors(folder, name)] for name in ("replay", "medium", "expert")
    }
    assert found == {"replay": ["00", "10", "20"], "medium": ["20"], "expert": ["30"]}
    assert [stem for stem, _ in find_actors(folder, "step_0000010")] == ["step_0000010"]


def test_mixture_gives_every_part_and_actor_its_share(data: Path) -> None:
    fetch("hopper-toy", HOPPER_ENTRY, SETTINGS, data, data / "raw")
    raw = RawDataset(data / "raw", "hopper-toy")
    seeds = {
        derive_seed(0, "Hopper-v5", part, f"step_{step:07d}", index): (part, step)
        for part, steps in ((0, (0, 10, 20)), (1, (30,)))
        for step in steps
        for index in range(50)
    }
    taken: dict[tuple[int, int], list[int]] = {}
    for episode in raw.episodes():
        taken.setdefault(seeds[episode.seed], []).append(len(episode))
    assert list(taken) == [(0, 0), (0, 10), (0, 20), (1, 30)]  # replay in the learner's order
    for (part, _), lengths in taken.items():
        quota = (25, 225)[part]
        assert sum(lengths[:-1]) < quota <= sum(lengths)


@pytest.mark.parametrize("kind", ["behaviour", "controller"])
def test_tasks_of_equal_sources_have_equal_episodes_and_fewer_steps_are_the_first_of_more(
    data: Path, kind: str
) -> None:
    entry = {"behaviour": HOPPER_ENTRY, "controller": MAZE_ENTRY}[kind]
    source = entry["source"]
    expert = {"actors": ["expert"], "noise": 1.0}
    if kind == "behaviour":
        source = source | {"mixture": [expert | {"steps": 225}]}
        fewer = source | {"mixture": [expert | {"steps": 60}]}
    else:
        fewer = source | {"steps": 60}
    episodes = {}
    for task, asked in (("one", source), ("other", source), ("fewer", fewer)):
        fetch(task, entry | {"source": asked}, SETTINGS, data, data / task)
        episodes[task] = list(RawDataset(data / task, task).episodes())
    assert 1 < len(episodes["fewer"]) < len(episodes["one"]) == len(episodes["other"])
    for task in ("other", "fewer"):
        for first, second in zip(episodes["one"], episodes[task], strict=False):
            np.testing.assert_array_equal(first.observations, second.observations)
            np.testing.assert_array_equal(first.actions, second.actions)


def test_actors_from_the_users_folder(data: Path) -> None:
    write_npz_actor(data / "external" / "toy" / "best.npz", algorithm="made up")
    source = {
        "kind": "behaviour",
        "ladder": "external",
        "mixture": [{"actors": ["best"], "noise": 0.0, "steps": 60}],
    }
    fetch("toy", HOPPER_ENTRY | {"source": source}, SETTINGS, data, data / "raw")
    record = RawDataset(data / "raw", "toy").collection
    assert record["origin"]["actors"]["best"]["algorithm"] == "made up"


def test_episodes_are_whole_and_the_last_one_passes_the_quota() -> None:
    actor = Actor.from_safetensors(actor_weights(0))
    episodes = list(collect_steps(make_environment(HOPPER), actor, 120, (0,)))
    lengths = [len(episode) for episode in episodes]
    assert sum(lengths[:-1]) < 120 <= sum(lengths)
    assert all(episode.terminated or len(episode) == 50 for episode in episodes)
    assert len({episode.seed for episode in episodes}) == len(episodes)


def test_a_policys_noise_is_not_what_the_start_was_drawn_from() -> None:
    environment, drawn = make_environment(HOPPER), []

    def policy(observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        drawn.append(generator.uniform(-5e-3, 5e-3, 6))
        return np.zeros(3)

    episode = collect_episode(environment, policy, 3)
    start = environment.unwrapped.init_qpos[1:] + np.random.default_rng(3).uniform(-5e-3, 5e-3, 6)[1:]
    np.testing.assert_allclose(episode.observations[0][:5], start)  # whence Gymnasium's Hopper starts
    assert not np.isclose(drawn[0], np.random.default_rng(3).uniform(-5e-3, 5e-3, 6)).any()


def test_fetch_is_reproducible_and_minari_opens_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", "untouched")
    for name in ("first", "second"):
        fetch("hopper-toy", HOPPER_ENTRY, SETTINGS, data, tmp_path / name)
    assert os.environ["MINARI_DATASETS_PATH"] == "untouched"
    first, second = (
        list(RawDataset(tmp_path / name, "hopper-toy").episodes()) for name in ("first", "second")
    )
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
        np.testing.assert_array_equal(one.actions, other.actions)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "first"))
    dataset = minari.load_dataset("hopper-toy-v0")
    assert dataset.total_episodes == len(first)
    assert dataset.total_steps == sum(len(episode) for episode in first) >= 300
    assert minari.get_normalized_score(dataset, np.array([3000.0])) == 1.0
    assert dataset.recover_environment().spec.max_episode_steps == 50


def test_minari_round_trip_keeps_values_endings_and_seeds(tmp_path: Path) -> None:
    environment = make_environment(HOPPER)
    generator = np.random.default_rng(0)
    episodes = [
        Episode(
            generator.normal(size=(length + 1, 11)),
            generator.uniform(-1, 1, size=(length, 3)).astype(np.float32),
            generator.normal(size=length),
            terminated,
            seed=2**63 - 1 - length,
        )
        for length, terminated in ((1, True), (50, False), (7, True))
    ]
    record = {
        "reference_scores": SCORES,
        "environment": HOPPER,
        "algorithm": "test",
        "source": {"kind": "test"},
    }
    write_dataset(tmp_path / "raw", "toy", environment, episodes, record)
    raw = RawDataset(tmp_path / "raw", "toy")
    assert raw.collection == record
    assert (len(raw), raw.steps) == (3, 58)
    for given, got in zip(episodes, raw.episodes(), strict=True):
        assert (given.terminated, given.seed) == (got.terminated, got.seed)
        for name in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(given, name), getattr(got, name))


def test_maze_from_source_to_prepared_arrays(tmp_path: Path) -> None:
    fetch("maze-toy", MAZE_ENTRY, SETTINGS, tmp_path / "none", tmp_path / "raw")
    provenance = prepare_maze(tmp_path)
    assert provenance == read_json(tmp_path / "processed" / "provenance.json")
    assert provenance["steps"] == 320  # eight whole episodes of 40 steps
    assert provenance["episode_length"] == {"mean": 40.0, "min": 40, "max": 40}
    assert provenance["reference_scores"]["minimum"] < provenance["reference_scores"]["maximum"]
    assert provenance["reference_scores"]["origin"].startswith("measured")
    assert provenance["maze"]["map"][1] == [1, 0, 0, 0, 1]
    dataset = PreparedDataset.load(tmp_path / "processed")
    assert dataset.observations.shape == (328, 6)
    assert isinstance(dataset.observations, np.memmap)
    assert dataset.validation.sum() == 2
    assert not dataset.terminations.any()
    training = np.repeat(~dataset.validation, 41)
    np.testing.assert_allclose(
        dataset.normaliser.mean, dataset.observations[training].mean(axis=0), atol=1e-5
    )
    returns = dataset.rewards.reshape(8, 40).sum(axis=1)
    assert provenance["return"]["mean"] == pytest.approx(returns.mean())


def prepare_maze(folder: Path, **changes: Any) -> dict[str, Any]:
    arguments = {"environment": MAZE, "validation_fraction": 0.25, "seed": 0} | changes
    return prepare(folder / "raw", folder / "processed", "maze-toy", **arguments)


def test_seeds_of_scripted_meta_world_data_are_all_it_takes(tmp_path: Path) -> None:
    pytest.importorskip("metaworld")
    arguments = {"env_name": "reach-v3", "seed": 0}
    environment = {
        "id": "Meta-World/MT1",
        "arguments": arguments,
        "max_episode_steps": 100,
        "observation_keys": None,
    }
    source = {"kind": "controller", "steps": 150, "action_noise": 0.1}
    entry = {"environment": environment, "source": source, "reference_scores": "measured"}
    settings = SETTINGS | {"reference_episodes": 2}
    for name in ("first", "second"):
        fetch("reach", entry, settings, tmp_path, tmp_path / name)
    first, second = (RawDataset(tmp_path / name, "reach") for name in ("first", "second"))
    assert first.collection == second.collection
    scores = first.collection["reference_scores"]
    assert scores["maximum"] > 2 * scores["minimum"]
    for one, other in zip(first.episodes(), second.episodes(), strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)


def stacked(observations: list[Any]) -> Any:
    """Nested dictionaries of arrays over time from a list of nested dictionaries."""
    if isinstance(observations[0], dict):
        return {key: stacked([observation[key] for observation in observations]) for key in observations[0]}
    return np.stack(observations)


def test_kitchen_as_minari_records_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dictionary observation with nested goals, from the user's Minari folder to prepared arrays."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    arguments = {"tasks_to_complete": ["microwave", "kettle"]}
    kitchen = gymnasium.make("FrankaKitchen-v1", max_episode_steps=6, **arguments)
    buffers, observations, rewards = [], [], []
    for seed in range(2):
        seen = [kitchen.reset(seed=seed)[0]]
        actions = np.random.default_rng(seed).uniform(-1, 1, size=(6, 9))
        for action in actions:
            observation, reward, *_ = kitchen.step(action)
            seen.append(observation)
            rewards.append(reward)
        ends = np.arange(6) == 5
        buffers.append(
            EpisodeBuffer(seed, seed, None, stacked(seen), actions, rewards[-6:], np.zeros(6, bool), ends)
        )
        observations += [observation["observation"] for observation in seen]
    with pytest.warns(UserWarning):
        minari.create_dataset_from_buffers("D4RL/kitchen/toy-v0", buffers, env=kitchen)
    environment = {"id": "FrankaKitchen-v1", "arguments": arguments, "max_episode_steps": 6}
    environment["observation_keys"] = ["observation"]
    source = {"kind": "minari", "dataset": "D4RL/kitchen/toy-v0", "clip_actions": False, "licence": "none"}
    entry = {"environment": environment, "source": source, "reference_scores": SCORES}
    fetch("kitchen-toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
    prepare(tmp_path / "raw", tmp_path / "processed", "kitchen-toy", environment, 0.0, 0)
    dataset = PreparedDataset.load(tmp_path / "processed")
    assert dataset.observation_size == make_environment(environment).observation_space.shape[0] == 59
    np.testing.assert_array_equal(dataset.observations, np.array(observations, np.float32))
    np.testing.assert_array_equal(dataset.rewards, np.array(rewards, np.float32))
