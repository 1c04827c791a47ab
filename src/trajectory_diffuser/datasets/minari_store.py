"""Raw episodes as a Minari dataset, so that every Minari tool opens them.

`data/raw/{task}/` is a Minari root: `MINARI_DATASETS_PATH=data/raw/maze-umaze minari list local` shows the
dataset `{task}-v0`. Beside it lies `collection.json`, which says how the episodes were made.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.files import atomic_directory, read_json, write_json
from trajectory_diffuser.datasets.collection import Episode
from trajectory_diffuser.datasets.environments import JoinObservations

COLLECTION_FILE = "collection.json"


def write_dataset(
    directory: Path | str,
    task: str,
    environment: gymnasium.Env,
    episodes: Sequence[Episode],
    collection: dict[str, Any],
    algorithm: str,
    description: str,
) -> None:
    """Write `episodes` to the Minari root `directory` as `{task}-v0`, together with the `collection` record.

    `collection["reference_scores"]` (minimum, maximum) become Minari's reference scores. Observations are the
    flat vectors of `environment`; the recorded environment specification is the plain one, which
    Gymnasium can make without this library.
    """
    scores = collection["reference_scores"]
    plain = environment.env if isinstance(environment, JoinObservations) else environment
    with atomic_directory(directory) as work, _minari_root(work), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is set to None.*", category=UserWarning)
        minari.create_dataset_from_buffers(
            dataset_id=f"{task}-v0",
            buffer=[_buffer(index, episode) for index, episode in enumerate(episodes)],
            env=plain.spec,
            observation_space=environment.observation_space,
            action_space=environment.action_space,
            algorithm_name=algorithm,
            author="Trajectory Diffuser",
            ref_min_score=scores["minimum"],
            ref_max_score=scores["maximum"],
            description=description,
        )
        write_json(work / COLLECTION_FILE, collection)


def load_dataset(directory: Path | str, task: str) -> tuple[list[Episode], dict[str, Any]]:
    """The episodes and the collection record. Raises `UserError` when they are not there."""
    data, record = Path(directory, f"{task}-v0", "data"), Path(directory, COLLECTION_FILE)
    if not (data.exists() and record.exists()):
        raise UserError(
            f"{directory}: no dataset {task}-v0; make it with: python src/fetch_dataset.py --task {task}"
        )
    dataset = minari.MinariDataset(data)
    seeds = [
        int(metadata["seed"]) for metadata in dataset.storage.get_episode_metadata(dataset.episode_indices)
    ]
    episodes = [
        Episode(
            observations=np.asarray(episode.observations),
            actions=np.asarray(episode.actions),
            rewards=np.asarray(episode.rewards),
            terminated=bool(episode.terminations[-1]),
            seed=seed,
        )
        for episode, seed in zip(dataset.iterate_episodes(), seeds, strict=True)
    ]
    return episodes, read_json(record)


def _buffer(index: int, episode: Episode) -> EpisodeBuffer:
    ends = np.zeros(len(episode), bool)
    ends[-1] = True
    never = np.zeros(len(episode), bool)
    return EpisodeBuffer(
        id=index,
        seed=episode.seed,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=ends if episode.terminated else never,
        truncations=never if episode.terminated else ends,
    )


@contextmanager
def _minari_root(path: Path) -> Iterator[None]:
    """Minari learns where to write from an environment variable only; put it back afterwards."""
    previous = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(path.absolute())
    try:
        yield
    finally:
        if previous is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = previous
