"""Data that cannot be used: one clear line, nothing half-written, and it works once it is repaired."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from test_collecting_actors import write_npz_actor
from test_collecting_d4rl import write_file
from test_collecting_fetching import HOPPER, HOPPER_ENTRY, MAZE, MAZE_ENTRY, SCORES, SETTINGS
from test_collecting_round_trip import random_episode

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.fetching import fetch
from trajectory_diffuser.collecting.minari_store import RawDataset, write_dataset
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.environments.environment import make_environment

OWN = {"clip_actions": False, "licence": "none"}
D4RL = {"kind": "d4rl", "file": "toy.hdf5", "sha256": None, **OWN}
FILE = {"kind": "file", **OWN}
EXTERNAL = {"kind": "behaviour", "ladder": "external"}
EXTERNAL |= {"mixture": [{"actors": ["best"], "noise": 1.0, "steps": 20}]}
FLAGS = ([0, 0, 1, 0, 0], [0, 0, 0, 0, 1])

Damage = Callable[[Path], None]
"""Given data/external/toy with good data in it, makes it bad."""


def good(folder: Path, source: dict[str, Any]) -> None:
    """Data that the source reads: a D4RL file, two .npz episodes or an actor."""
    if source["kind"] == "d4rl":
        write_file(folder / "toy.hdf5", *FLAGS)
    elif source["kind"] == "behaviour":
        write_npz_actor(folder / "best.npz")
    else:
        folder.mkdir(parents=True)
        for index, length in enumerate((3, 5)):
            write_episode(folder / f"{index}.npz", random_episode(np.random.default_rng(index), length, True))


def write_episode(path: Path, episode: Episode) -> None:
    arrays = {name: getattr(episode, name) for name in ("observations", "actions", "rewards", "terminated")}
    np.savez(path, **arrays)


def write_minari(folder: Path, environment: dict[str, Any] = HOPPER) -> None:
    """A user's Minari dataset of one episode in the environment."""
    env = make_environment(environment)
    sizes = env.observation_space.shape[0], env.action_space.shape[0]
    episode = Episode(np.zeros((4, sizes[0])), np.zeros((3, sizes[1]), np.float32), np.zeros(3), False)
    record = {
        "reference_scores": SCORES,
        "environment": environment,
        "algorithm": "a",
        "source": {"kind": "file"},
    }
    shutil.rmtree(folder, ignore_errors=True)
    write_dataset(folder, "mine", env, [episode], record)


def cut_in_half(name: str) -> Damage:
    def damage(folder: Path) -> None:
        path = next(folder.rglob(name))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Change an array of the D4RL file, or of the first .npz episode."""

    def damage(folder: Path) -> None:
        if (folder / "toy.hdf5").exists():
            with h5py.File(folder / "toy.hdf5", "a") as file:
                values = change(file[name][:])
                del file[name]
                file[name] = values
            return
        with np.load(folder / "0.npz") as file:
            arrays = dict(file)
        np.savez(folder / "0.npz", **{**arrays, name: change(arrays[name])})

    return damage


def one_nan(values: np.ndarray) -> np.ndarray:
    values = np.array(values, np.float32)
    values.flat[1] = np.nan
    return values


def no_steps(folder: Path) -> None:
    write_episode(folder / "0.npz", random_episode(np.random.default_rng(0), 0, False))


def then(*damages: Damage) -> Damage:
    def damage(folder: Path) -> None:
        for one in damages:
            one(folder)

    return damage


def half_a_minari_dataset(name: str) -> Damage:
    return then(write_minari, cut_in_half(name))


BAD_DATA: dict[str, tuple[dict[str, Any], Damage, str]] = {
    "truncated HDF5": (
        D4RL,
        cut_in_half("toy.hdf5"),
        r"toy\.hdf5: not a readable HDF5 file .*bring it again",
    ),
    "no file": (
        D4RL,
        lambda folder: (folder / "toy.hdf5").unlink(),
        r"source\.file: .*toy\.hdf5 does not exist",
    ),
    "rows that do not match": (
        D4RL,
        changed("rewards", lambda a: a[:-1]),
        r"rewards has shape \(4,\), observations \(5, 11\): not the same",
    ),
    "observations in one dimension": (D4RL, changed("observations", lambda a: a[:, 0]), r"shape \(5,\)"),
    "flags in two columns": (
        D4RL,
        changed("timeouts", lambda a: np.stack([a, a], 1)),
        r"timeouts has shape \(5, 2\); it must be one number per step",
    ),
    "flags that are no flags": (
        D4RL,
        changed("terminals", lambda a: np.full(len(a), np.nan)),
        r"terminals has values other than 0 and 1",
    ),
    "an array that is missing": (
        D4RL,
        lambda folder: (folder / "toy.hdf5").unlink() or h5py.File(folder / "toy.hdf5", "w").close(),
        r"no array 'observations'; D4RL's files have",
    ),
    "no episode that ends": (
        D4RL,
        then(changed("terminals", np.zeros_like), changed("timeouts", np.zeros_like)),
        r"no episode ends",
    ),
    "NaN in observations": (D4RL, changed("observations", one_nan), r"episode 0 has non-finite observations"),
    "NaN in rewards": (FILE, changed("rewards", one_nan), r"episode 0 has non-finite rewards"),
    "rewards beyond 32 bits": (
        FILE,
        changed("rewards", lambda a: np.full(len(a), 1e39)),
        r"episode 0 has non-finite rewards",
    ),
    "one reward for all steps": (FILE, changed("rewards", lambda a: np.float64(1)), r"shape|not an episode"),
    "observations of another environment": (
        D4RL,
        changed("observations", lambda a: a[:, :4]),
        r"episode 0 has observations of shape \(4, 4\).*Hopper-v5 needs \(4, 11\)",
    ),
    "too few observations": (
        FILE,
        changed("observations", lambda a: a[1:]),
        r"observations of shape \(3, 11\)",
    ),
    "actions in two columns": (FILE, changed("actions", lambda a: a[:, :2]), r"actions of shape \(3, 2\)"),
    "action outside the bounds": (
        D4RL,
        changed("actions", lambda a: 1.5 * a / abs(a).max()),
        r"episode [01] has an action 0\.5 outside Hopper-v5's bounds; set source\.clip_actions: true",
    ),
    "episode without steps": (FILE, no_steps, r"episode 0 has no steps; leave it out"),
    "truncated episode": (FILE, cut_in_half("0.npz"), r"0\.npz: not an episode .*it needs observations"),
    "episode without an array": (
        FILE,
        lambda folder: np.savez(folder / "0.npz", observations=np.zeros(3)),
        r"0\.npz: not an episode .*actions",
    ),
    "nothing at all": (
        FILE,
        shutil.rmtree,
        r"source\.kind: file needs .* 0 Minari datasets and 0 \.npz files",
    ),
    "Minari dataset of another environment": (
        FILE,
        lambda folder: write_minari(folder, MAZE),
        r"tasks\.toy\.environment\.id: Hopper-v5, but .* was collected in PointMaze_UMaze-v3",
    ),
    "Minari dataset with half its data": (
        FILE,
        half_a_minari_dataset("main_data.hdf5"),
        r"damaged|not a readable",
    ),
    "Minari dataset with half its metadata": (
        FILE,
        half_a_minari_dataset("metadata.json"),
        r"not a readable Minari",
    ),
    "damaged actor": (EXTERNAL, cut_in_half("best.npz"), r"best\.npz: not an actor .*copy it again"),
    "actor of another kind": (
        EXTERNAL,
        lambda folder: write_npz_actor(folder / "best.npz", hidden_activation="elu"),
        r"best\.npz: not an actor .*hidden_activation 'elu' is none of relu, tanh",
    ),
    "actor that is not there": (
        EXTERNAL,
        lambda folder: (folder / "best.npz").rename(folder / "other.npz"),
        r"no actor 'best' .*there are: other",
    ),
    "no actors": (EXTERNAL, shutil.rmtree, r"external/toy: no actors there .*put or link them"),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_named_in_one_line_and_a_repair_is_all_it_takes(tmp_path: Path, name: str) -> None:
    source, damage, words = BAD_DATA[name]
    data, entry = tmp_path / "data", {"environment": HOPPER, "source": source, "reference_scores": SCORES}
    good(data / "external" / "toy", source)
    damage(data / "external" / "toy")
    with pytest.raises(UserError, match=words) as caught:
        fetch("toy", entry, SETTINGS, data, data / "raw" / "toy")
    assert "\n" not in str(caught.value)
    assert not (data / "raw").exists() or not list((data / "raw").iterdir())
    shutil.rmtree(data / "external")
    good(data / "external" / "toy", source)
    fetch("toy", entry, SETTINGS, data, data / "raw" / "toy")
    assert len(RawDataset(data / "raw" / "toy", "toy")) > 0


def test_actions_outside_the_bounds_are_clipped_on_request(tmp_path: Path) -> None:
    good(tmp_path / "external" / "toy", D4RL)
    changed("actions", lambda a: 1.5 * a / abs(a).max())(tmp_path / "external" / "toy")
    entry = {"environment": HOPPER, "source": D4RL | {"clip_actions": True}, "reference_scores": SCORES}
    fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
    actions = np.concatenate([episode.actions for episode in RawDataset(tmp_path / "raw", "toy").episodes()])
    assert abs(actions).max() == 1.0


def test_spaces_that_are_no_vectors_are_refused() -> None:
    with pytest.raises(UserError, match=r"CartPole-v1 has action_space Discrete\(2\); it must be a vector"):
        make_environment(HOPPER | {"id": "CartPole-v1"})


@pytest.mark.parametrize("linked", [False, True])
def test_the_users_own_minari_dataset_is_read(tmp_path: Path, linked: bool) -> None:
    if linked:
        write_minari(tmp_path / "elsewhere")
        (tmp_path / "external" / "toy").mkdir(parents=True)
        (tmp_path / "external" / "toy" / "mine-v0").symlink_to(tmp_path / "elsewhere" / "mine-v0")
    else:
        write_minari(tmp_path / "external" / "toy")
    fetch(
        "toy",
        {"environment": HOPPER, "source": FILE, "reference_scores": SCORES},
        SETTINGS,
        tmp_path,
        tmp_path / "raw",
    )
    (episode,) = RawDataset(tmp_path / "raw", "toy").episodes()
    assert len(episode) == 3


LADDER = Path("behaviour") / "hopper"
BAD_ENTRIES: dict[str, tuple[dict[str, Any], str]] = {
    "no such ladder": (HOPPER_ENTRY, r"behaviour/hopper: no actors there .*source\.ladder"),
    "controller outside a maze": (
        HOPPER_ENTRY | {"source": MAZE_ENTRY["source"]},
        r"tasks\.toy: the controller source .* Hopper-v5 is none",
    ),
    "controller that is no better than chance": (
        MAZE_ENTRY | {"environment": MAZE | {"max_episode_steps": 1}},
        r"tasks\.toy\.reference_scores.*max_episode_steps",
    ),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_a_task_that_cannot_be_collected_is_refused_with_its_key(tmp_path: Path, name: str) -> None:
    entry, words = BAD_ENTRIES[name]
    with pytest.raises(UserError, match=words):
        fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ("Walker2d-v5", r"tasks\.toy\.source\.ladder: hopper has actors for Hopper-v5, not for Walker2d-v5"),
        ("HalfCheetah-v5", r"source\.ladder: .*HalfCheetah-v5"),
    ],
)
def test_ladder_of_another_environment(tmp_path: Path, environment: str, words: str) -> None:
    write_npz_actor(tmp_path / LADDER / "expert.npz")
    write_json(tmp_path / LADDER / "ladder.json", {"environment": "Hopper-v5", "rungs": [RUNG]})
    entry = HOPPER_ENTRY | {"environment": HOPPER | {"id": environment}}
    entry = entry | {
        "source": HOPPER_ENTRY["source"] | {"mixture": [{"actors": ["expert"], "noise": 1.0, "steps": 9}]}
    }
    with pytest.raises(UserError, match=words):
        fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")


RUNG = {"file": "expert.npz", "step": 1, "role": "medium"}


def test_actor_of_another_environment(tmp_path: Path) -> None:
    write_npz_actor(tmp_path / "external" / "toy" / "best.npz")
    entry = HOPPER_ENTRY | {"environment": HOPPER | {"id": "Walker2d-v5"}, "source": EXTERNAL}
    with pytest.raises(
        UserError, match=r"actor best is for 11 observations and 3 actions, Walker2d-v5 has 17 and 6"
    ):
        fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
