"""From raw episodes to flat arrays that training maps into memory.

Observations have one row more per episode than transitions: episode e's transitions start at
`episode_offsets[e]`, its observations at `episode_offsets[e] + e`.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.files import atomic_directory, write_json
from trajectory_diffuser.common.seeding import derive_seed
from trajectory_diffuser.datasets.collection import Episode
from trajectory_diffuser.datasets.environments import make_environment
from trajectory_diffuser.datasets.maze import Maze
from trajectory_diffuser.datasets.minari_store import load_dataset
from trajectory_diffuser.datasets.normaliser import Normaliser


def prepare(
    raw: Path | str,
    directory: Path | str,
    task: str,
    environment: dict[str, Any],
    horizon: int,
    validation_fraction: float,
    seed: int,
) -> dict[str, Any]:
    """Turn the Minari dataset of `task` under `raw` into the arrays of `directory`; returns the provenance.

    Raises `UserError` for a missing dataset, non-finite values, observations that are not the environment's,
    and a horizon longer than every training episode. Nothing is written then.
    """
    episodes, collection = load_dataset(raw, task)
    env = make_environment(environment)
    check_episodes(episodes, env.observation_space.shape[0], env.action_space.shape[0], str(raw))
    arrays = flatten(episodes)
    arrays["validation"] = hold_out(len(episodes), validation_fraction, seed)
    longest = max(
        len(episode) + 1 for episode, held in zip(episodes, arrays["validation"], strict=True) if not held
    )
    if longest < horizon:
        raise UserError(
            f"params.yaml: tasks.{task}.horizon: {horizon} states is longer than every training episode "
            f"(at most {longest}); lower it, or collect longer episodes"
        )
    training_rows = ~np.repeat(arrays["validation"], np.diff(arrays["episode_offsets"]) + 1)
    maze = Maze.of_environment(env)
    lengths = np.array([len(episode) for episode in episodes])
    returns = np.array([episode.rewards.sum() for episode in episodes])
    provenance = {
        "task": task,
        "environment": environment["id"],
        "observation_keys": environment["observation_keys"],
        "source": collection["source"],
        "seeds": {"collection": collection["seed"], "validation": seed},
        "versions": collection["versions"],
        "steps": int(lengths.sum()),
        "episodes": len(episodes),
        "episode_length": {
            "mean": float(lengths.mean()),
            "min": int(lengths.min()),
            "max": int(lengths.max()),
        },
        "return": {name: float(getattr(returns, name)()) for name in ("mean", "std", "min", "max")},
        "content_hash": content_hash(arrays),
        "reference_scores": collection["reference_scores"],
        "maze_map": maze.maze_map if maze else None,
    }
    with atomic_directory(directory) as work:
        for name, array in arrays.items():
            np.save(work / f"{name}.npy", array)
        write_json(work / "normaliser.json", Normaliser.fit(arrays["observations"][training_rows]).to_json())
        write_json(work / "provenance.json", provenance)
    return provenance


def check_episodes(episodes: Sequence[Episode], observation_size: int, action_size: int, source: str) -> None:
    """Raise `UserError` unless every episode has finite values of the environment's sizes."""
    if not episodes:
        raise UserError(f"{source}: the dataset has no episodes; fetch it again")
    for index, episode in enumerate(episodes):
        sizes = episode.observations.shape[1:], episode.actions.shape[1:]
        if sizes != ((observation_size,), (action_size,)):
            raise UserError(
                f"{source}: episode {index} has observations {sizes[0]} and actions {sizes[1]}, not "
                f"the environment's ({observation_size},) and ({action_size},); fetch the dataset again"
            )
        for name in ("observations", "actions", "rewards"):
            if not np.isfinite(getattr(episode, name)).all():
                raise UserError(f"{source}: episode {index} has non-finite {name}; fetch the dataset again")


def flatten(episodes: Sequence[Episode]) -> dict[str, np.ndarray]:
    """All episodes end to end, by array name (all of `windows.ARRAYS` but validation)."""
    lengths = [len(episode) for episode in episodes]
    return {
        "observations": np.concatenate([e.observations for e in episodes]).astype(np.float32),
        "actions": np.concatenate([e.actions for e in episodes]).astype(np.float32),
        "rewards": np.concatenate([e.rewards for e in episodes]).astype(np.float32),
        "returns_to_go": np.concatenate([returns_to_go(e.rewards) for e in episodes]).astype(np.float32),
        "episode_offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "terminations": np.array([e.terminated for e in episodes]),
    }


def returns_to_go(rewards: np.ndarray) -> np.ndarray:
    """Undiscounted sum of the rewards from each state on: rewards [L] give [L + 1], 0 at the final state."""
    return np.append(np.cumsum(rewards[::-1], dtype=np.float64)[::-1], 0.0)


def hold_out(episodes: int, fraction: float, seed: int) -> np.ndarray:
    """Which episodes are held out, [episodes] bool: the nearest whole number, never all of them."""
    count = min(round(fraction * episodes), episodes - 1)
    chosen = np.random.default_rng(derive_seed(seed, "validation")).permutation(episodes)[:count]
    held_out = np.zeros(episodes, bool)
    held_out[chosen] = True
    return held_out


def content_hash(arrays: dict[str, np.ndarray]) -> str:
    """A hash of names, types, shapes and values of the arrays."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
