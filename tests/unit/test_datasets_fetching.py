"""From source entry to Minari dataset to prepared arrays, with actors made up on the spot."""

import os
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tqdm import tqdm

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.files import read_json, write_json
from trajectory_diffuser.datasets.actors import Actor, Ladder
from trajectory_diffuser.datasets.behaviour import collect_mixture
from trajectory_diffuser.datasets.collection import Episode, collect_steps
from trajectory_diffuser.datasets.environments import make_environment
from trajectory_diffuser.datasets.fetching import fetch
from trajectory_diffuser.datasets.minari_store import load_dataset, write_dataset
from trajectory_diffuser.datasets.preparation import prepare
from trajectory_diffuser.datasets.windows import PreparedDataset

HOPPER = {"id": "Hopper-v5", "max_episode_steps": 50, "observation_keys": None}
MAZE = {
    "id": "PointMaze_UMaze-v3",
    "max_episode_steps": 40,
    "observation_keys": ["observation", "desired_goal"],
}
SETTINGS = {"steps": 300, "seed": 0, "reference_episodes": 8}
SCORES = {"minimum": -20.0, "maximum": 3000.0, "origin": "D4RL"}
HOPPER_ENTRY = {
    "environment": HOPPER,
    "source": {
        "kind": "behaviour",
        "ladder": "hopper",
        "mixture": [
            {"rungs": "replay", "noise": 1.0, "share": 0.25},
            {"rungs": "expert", "noise": 1.0, "share": 0.75},
        ],
    },
    "reference_scores": SCORES,
}
MAZE_ENTRY = {
    "environment": MAZE,
    "source": {"kind": "controller", "action_noise": 0.5},
    "reference_scores": "measured",
}


def actor_weights(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    sizes = {"hidden_0": (64, 11), "hidden_1": (64, 64), "mean": (3, 64), "log_std": (3, 64)}
    weights = {}
    for name, shape in sizes.items():
        weights[f"{name}.weight"] = (generator.normal(size=shape) / 8).astype(np.float32)
        weights[f"{name}.bias"] = generator.normal(size=shape[0]).astype(np.float32)
    return weights


@pytest.fixture
def behaviour(tmp_path: Path) -> Path:
    """A folder with the ladder `hopper`: replay rungs at 0 and 10, medium at 20, expert at 30."""
    folder = tmp_path / "behaviour" / "hopper"
    folder.mkdir(parents=True)
    rungs = []
    for step, role in ((0, "replay"), (10, "replay"), (20, "medium"), (30, "expert")):
        save_file(actor_weights(step), folder / f"step_{step:07d}.safetensors")
        rungs.append({"file": f"step_{step:07d}.safetensors", "step": step, "role": role})
    write_json(folder / "ladder.json", {"environment": "Hopper-v5", "algorithm": "TQC", "rungs": rungs})
    return folder.parent


def test_actor_is_a_squashed_gaussian_network() -> None:
    weights = actor_weights(0)
    layers = {name: torch.from_numpy(value) for name, value in weights.items()}
    observations = np.random.default_rng(1).normal(size=(5, 11))
    hidden = torch.from_numpy(observations).float()
    for name in ("hidden_0", "hidden_1"):
        hidden = torch.relu(
            torch.nn.functional.linear(hidden, layers[f"{name}.weight"], layers[f"{name}.bias"])
        )
    mean, log_std = (
        torch.nn.functional.linear(hidden, layers[f"{name}.weight"], layers[f"{name}.bias"])
        for name in ("mean", "log_std")
    )
    actor = Actor(weights)
    np.testing.assert_allclose(actor(observations), torch.tanh(mean), atol=1e-5)
    np.testing.assert_allclose(actor(observations[0]), torch.tanh(mean)[0], atol=1e-5)
    noise = np.random.default_rng(2).standard_normal((5, 3))
    expected = torch.tanh(mean + log_std.clamp(-20, 2).exp() * torch.from_numpy(noise))
    np.testing.assert_allclose(actor(observations, np.random.default_rng(2)), expected, atol=1e-5)


def test_rungs_by_name(behaviour: Path) -> None:
    ladder = Ladder.load(behaviour / "hopper")
    steps = {name: [rung["step"] for rung in ladder.rungs(name)] for name in ("replay", "medium", "expert")}
    assert steps == {"replay": [0, 10, 20], "medium": [20], "expert": [30]}


def test_mixture_gives_every_part_and_rung_its_share(
    behaviour: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quotas: list[tuple[int, int]] = []

    def record(environment: Any, actor: Any, steps: int, seed_parts: tuple, progress: Any) -> list[Episode]:
        quotas.append((seed_parts[-1], steps))
        return []

    monkeypatch.setattr("trajectory_diffuser.datasets.behaviour.collect_steps", record)
    mixture = [
        {"rungs": "replay", "noise": 1.0, "share": 0.6},
        {"rungs": "expert", "noise": 1.0, "share": 0.4},
    ]
    collect_mixture(None, Ladder.load(behaviour / "hopper"), mixture, 600, (0,), None)
    assert quotas == [(0, 120), (10, 120), (20, 120), (30, 240)]  # replay in the learner's order


def test_episodes_are_whole_and_the_last_one_passes_the_quota(behaviour: Path) -> None:
    actor = Actor(actor_weights(0))
    with tqdm(total=120, disable=True) as progress:
        episodes = collect_steps(make_environment(HOPPER), actor, 120, (0,), progress)
    lengths = [len(episode) for episode in episodes]
    assert sum(lengths[:-1]) < 120 <= sum(lengths)
    assert all(episode.terminated or len(episode) == 50 for episode in episodes)
    assert len({episode.seed for episode in episodes}) == len(episodes)


def test_fetch_is_reproducible_and_minari_opens_it(
    behaviour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", "untouched")
    for name in ("first", "second"):
        fetch("hopper-toy", HOPPER_ENTRY, SETTINGS, behaviour, tmp_path / name)
    assert os.environ["MINARI_DATASETS_PATH"] == "untouched"
    first, second = (load_dataset(tmp_path / name, "hopper-toy")[0] for name in ("first", "second"))
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
    write_dataset(
        tmp_path / "raw", "toy", environment, episodes, {"reference_scores": SCORES}, "test", "test"
    )
    loaded, record = load_dataset(tmp_path / "raw", "toy")
    assert record == {"reference_scores": SCORES}
    for given, got in zip(episodes, loaded, strict=True):
        assert (given.terminated, given.seed) == (got.terminated, got.seed)
        for name in ("observations", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(given, name), getattr(got, name))


def test_maze_from_source_to_prepared_arrays(tmp_path: Path) -> None:
    fetch("maze-toy", MAZE_ENTRY, SETTINGS, tmp_path / "unused", tmp_path / "raw")
    provenance = prepare_maze(tmp_path)
    assert provenance == read_json(tmp_path / "processed" / "provenance.json")
    assert provenance["steps"] == 320  # eight whole episodes of 40 steps
    assert provenance["episode_length"] == {"mean": 40.0, "min": 40, "max": 40}
    assert provenance["reference_scores"]["minimum"] < provenance["reference_scores"]["maximum"]
    assert provenance["reference_scores"]["origin"].startswith("measured")
    assert provenance["maze_map"][1] == [1, 0, 0, 0, 1]
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
    arguments = {"environment": MAZE, "horizon": 41, "validation_fraction": 0.25, "seed": 0} | changes
    return prepare(folder / "raw", folder / "processed", "maze-toy", **arguments)


class TestBadInputs:
    def test_missing_ladder(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"hopper: no ladder.*source\.ladder"):
            fetch("toy", HOPPER_ENTRY, SETTINGS, tmp_path, tmp_path / "raw")
        assert not list(tmp_path.iterdir())

    def test_ladder_of_another_environment(self, behaviour: Path, tmp_path: Path) -> None:
        entry = HOPPER_ENTRY | {"environment": HOPPER | {"id": "Walker2d-v5"}}
        with pytest.raises(UserError, match=r"tasks\.toy\.source\.ladder.*Hopper-v5.*Walker2d-v5"):
            fetch("toy", entry, SETTINGS, behaviour, tmp_path / "raw")

    def test_missing_actor(self, behaviour: Path, tmp_path: Path) -> None:
        (behaviour / "hopper" / "step_0000030.safetensors").unlink()
        with pytest.raises(UserError, match=r"step_0000030\.safetensors: not found"):
            fetch("toy", HOPPER_ENTRY, SETTINGS, behaviour, tmp_path / "raw")
        assert not (tmp_path / "raw").exists()

    @pytest.mark.parametrize("key", ["source", "reference_scores"])
    def test_controller_outside_a_maze(self, behaviour: Path, tmp_path: Path, key: str) -> None:
        with pytest.raises(UserError, match=r"tasks\.toy: .*maze.*Hopper-v5"):
            fetch("toy", HOPPER_ENTRY | {key: MAZE_ENTRY[key]}, SETTINGS, behaviour, tmp_path / "raw")

    def test_controller_that_is_no_better_than_chance(self, tmp_path: Path) -> None:
        entry = MAZE_ENTRY | {"environment": MAZE | {"max_episode_steps": 1}}
        with pytest.raises(UserError, match=r"tasks\.toy\.reference_scores.*max_episode_steps"):
            fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
        assert not list(tmp_path.iterdir())

    def test_missing_dataset(self, tmp_path: Path) -> None:
        with pytest.raises(
            UserError, match=r"raw: no dataset maze-toy-v0.*fetch_dataset\.py --task maze-toy"
        ):
            prepare_maze(tmp_path)
        assert not list(tmp_path.iterdir())

    def test_horizon_longer_than_the_episodes(self, tmp_path: Path) -> None:
        fetch("maze-toy", MAZE_ENTRY, SETTINGS, tmp_path, tmp_path / "raw")
        with pytest.raises(UserError, match=r"tasks\.maze-toy\.horizon: 42 states .*41.*lower it"):
            prepare_maze(tmp_path, horizon=42)
        assert [path.name for path in tmp_path.iterdir()] == ["raw"]
        prepare_maze(tmp_path, horizon=41)

    def test_observations_of_another_environment(self, tmp_path: Path) -> None:
        fetch("maze-toy", MAZE_ENTRY, SETTINGS, tmp_path, tmp_path / "raw")
        with pytest.raises(UserError, match=r"episode 0 has observations \(6,\).*\(4,\)"):
            prepare_maze(tmp_path, environment=MAZE | {"observation_keys": ["observation"]})

    @pytest.mark.parametrize("name", ["observations", "actions", "rewards"])
    def test_values_that_are_not_finite(self, tmp_path: Path, name: str) -> None:
        episode = Episode(np.zeros((41, 6)), np.zeros((40, 2), np.float32), np.zeros(40), False, seed=0)
        getattr(episode, name)[3] = np.nan
        record = {"reference_scores": SCORES}
        write_dataset(tmp_path / "raw", "maze-toy", make_environment(MAZE), [episode], record, "test", "test")
        with pytest.raises(UserError, match=f"episode 0 has non-finite {name}"):
            prepare_maze(tmp_path)
        assert not (tmp_path / "processed").exists()
