"""From raw episodes to flat arrays that training maps into memory.

Observations have one row more per episode than transitions: episode e's transitions start at
`episode_offsets[e]`, its observations at `episode_offsets[e] + e`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from trajectory_diffuser.collecting.checks import checked_episodes
from trajectory_diffuser.collecting.minari_store import RawDataset
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.computing.hashing import content_hash
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.environments.maze import Maze


def prepare(
    raw: Path | str,
    directory: Path | str,
    task: str,
    environment: dict[str, Any],
    validation_fraction: float,
    seed: int,
) -> dict[str, Any]:
    """Turn the Minari dataset of `task` under `raw` into the arrays of `directory`; returns the provenance.

    Reads and writes one episode at a time, so that memory does not grow with the data.
    Raises `UserError` for a missing dataset, non-finite values, and observations that are not the
    environment's. Nothing is written then.
    """
    dataset = RawDataset(raw, task)
    env = make_environment(environment)
    validation = hold_out(len(dataset), validation_fraction, seed)
    with atomic_directory(directory) as work:
        arrays = _write_arrays(work, dataset, env)
        np.save(work / "validation.npy", validation)
        arrays["validation"] = validation
        training_rows = ~np.repeat(validation, np.diff(arrays["episode_offsets"]) + 1)
        write_json(work / "normaliser.json", Normaliser.fit(arrays["observations"], training_rows).to_json())
        provenance = _provenance(task, environment, seed, dataset, arrays, Maze.of_environment(env))
        provenance["action_bounds"] = [env.action_space.low.tolist(), env.action_space.high.tolist()]
        write_json(work / "provenance.json", provenance)
    return provenance


def _write_arrays(work: Path, dataset: RawDataset, env: gymnasium.Env) -> dict[str, np.ndarray]:
    """Write every array of `windows.ARRAYS` but validation, and return them by name, mapped into memory.

    Written as files, not through memory maps: a full disk is an error then, and not the end of the process.
    """
    steps, count = dataset.steps, len(dataset)
    observation_size, action_size = env.observation_space.shape[0], env.action_space.shape[0]
    shapes = {
        "observations": ((steps + count, observation_size), np.float32),
        "actions": ((steps, action_size), np.float32),
        "rewards": ((steps,), np.float32),
        "returns_to_go": ((steps + count,), np.float32),
        "episode_offsets": ((count + 1,), np.int64),
        "terminations": ((count,), np.bool_),
    }
    end = 0
    with ExitStack() as files:
        write = {
            name: files.enter_context(_array_writer(work / f"{name}.npy", shape, dtype))
            for name, (shape, dtype) in shapes.items()
        }
        write["episode_offsets"](0)
        for episode in checked_episodes(dataset.episodes(), env, dataset.name):
            end += len(episode)
            write["observations"](episode.observations)
            write["actions"](episode.actions)
            write["rewards"](episode.rewards)
            write["returns_to_go"](returns_to_go(episode.rewards))
            write["episode_offsets"](end)
            write["terminations"](episode.terminated)
    return {name: np.load(work / f"{name}.npy", mmap_mode="r") for name in shapes}


@contextmanager
def _array_writer(path: Path, shape: tuple[int, ...], dtype: type) -> Iterator[Callable[[ArrayLike], None]]:
    """Yield a function that appends values to a .npy file that will hold an array of this shape."""
    descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        yield lambda values: file.write(np.asarray(values, dtype).tobytes())


def _provenance(
    task: str,
    environment: dict[str, Any],
    seed: int,
    dataset: RawDataset,
    arrays: dict[str, np.ndarray],
    maze: Maze | None,
) -> dict[str, Any]:
    """What the report's data card says, and what evaluation needs to know of the data."""
    collection = dataset.collection
    offsets = np.asarray(arrays["episode_offsets"])
    lengths = np.diff(offsets)
    returns = arrays["returns_to_go"][offsets[:-1] + np.arange(len(lengths))].astype(np.float64)
    return {
        "task": task,
        "environment": environment,
        **{
            key: collection[key] for key in ("source", "algorithm", "licence", "origin", "final_observations")
        },
        "seeds": {"collection": collection["seed"], "validation": seed},
        "versions": collection["versions"],
        "steps": int(lengths.sum()),
        "episodes": len(lengths),
        "episode_length": {
            "mean": float(lengths.mean()),
            "min": int(lengths.min()),
            "max": int(lengths.max()),
        },
        "return": {name: float(getattr(returns, name)()) for name in ("mean", "std", "min", "max")},
        "content_hash": content_hash(arrays),
        "reference_scores": collection["reference_scores"],
        "maze": maze.to_json() if maze else None,
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
