"""Episodes as a Minari dataset, so that every Minari tool opens them.

`data/raw/{task}/` is a Minari root: `MINARI_DATASETS_PATH=data/raw/maze-umaze minari list local` shows the
dataset `{task}-v0`. Beside it lies `collection.json`, which says how the episodes were made.
"""

import errno
import os
import shutil
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium
import minari
import numpy as np
from minari.data_collector import EpisodeBuffer

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import atomic_directory, read_json, write_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.environments.environment import JoinObservations, join_observations
from trajectory_diffuser.environments.meta_world import is_meta_world
from trajectory_diffuser.environments.ogbench import SeedMovesBeforeReset
from trajectory_diffuser.environments.watching import Watched

COLLECTION_FILE = "collection.json"
DISK_RESERVE = 2**25  # bytes; more than HDF5 holds back


def write_dataset(
    directory: Path | str,
    task: str,
    environment: gymnasium.Env,
    episodes: Iterable[Episode],
    collection: dict[str, Any],
) -> None:
    """Write `episodes`, one at a time, to the Minari root `directory` as `{task}-v0`, with their record.

    `collection` says how they were made; its `reference_scores` (minimum, maximum) become Minari's.
    Observations are the flat vectors of `environment`; the recorded environment specification is the plain
    one, which Gymnasium can make without this library.
    """
    scores, keys = collection["reference_scores"], collection["environment"]["observation_keys"]
    joined = f" Observations join {' and '.join(keys)} into one vector." if keys else ""
    plain = environment
    while isinstance(plain, (Watched, JoinObservations, SeedMovesBeforeReset)):
        plain = plain.env
    # Gymnasium cannot write down how Meta-World's environments are made, nor one that was registered with a
    # class in place of its name: theirs is in `collection` only.
    spec = None if is_meta_world(environment) or callable(plain.spec.entry_point) else plain.spec
    with atomic_directory(directory) as work, minari_root(work), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is (set to )?None.*", category=UserWarning)
        minari.create_dataset_from_buffers(
            dataset_id=f"{task}-v0",
            buffer=(
                _buffer(index, episode) for index, episode in enumerate(_while_there_is_room(episodes, work))
            ),
            env=spec,
            observation_space=environment.observation_space,
            action_space=environment.action_space,
            algorithm_name=collection["algorithm"],
            author="Trajectory Diffuser",
            ref_min_score=scores["minimum"],
            ref_max_score=scores["maximum"],
            description=f"{environment.spec.id}, source {collection['source']['kind']}.{joined}",
        )
        write_json(work / COLLECTION_FILE, collection)


class RawDataset:
    """The Minari dataset of a task under `data/raw/{task}`; its episodes are read one at a time.

    Attributes:
        name: what an error calls it.
        collection: the record of how the episodes were made.
    """

    def __init__(self, directory: Path | str, task: str) -> None:
        """Raises `UserError` when it is not there, or not as it was written."""
        again = f"python src/fetch_dataset.py --task {task}"
        require_intact(Path(directory), again)
        data, record = Path(directory, f"{task}-v0", "data"), Path(directory, COLLECTION_FILE)
        if not (data.exists() and record.exists()):
            raise UserError(f"{directory}: no dataset {task}-v0; make it with: {again}")
        self.name = str(directory)
        self.collection: dict[str, Any] = read_json(record)
        self._dataset = minari.MinariDataset(data)

    def __len__(self) -> int:
        """How many episodes there are."""
        return self._dataset.total_episodes

    @property
    def steps(self) -> int:
        """Transitions in all episodes."""
        return int(self._dataset.total_steps)

    def episodes(self) -> Iterator[Episode]:
        """Every episode in order."""
        return read_episodes(self._dataset, None)


def read_episodes(dataset: minari.MinariDataset, observation_keys: Sequence[str] | None) -> Iterator[Episode]:
    """The episodes of any Minari dataset, a dictionary's `observation_keys` joined into one vector.

    Raises `ValueError` for an episode that is shorter than its record says (Minari reads at most 32,768 steps
    of an episode in Arrow format).
    """
    indices = dataset.episode_indices
    records = dataset.storage.get_episode_metadata(indices)
    for record, episode in zip(records, dataset.iterate_episodes(), strict=True):
        terminations = np.asarray(episode.terminations)
        if len(terminations) != record.get("total_steps", len(terminations)):
            steps = record["total_steps"]
            raise ValueError(f"episode {episode.id} has {len(terminations)} of its {steps} steps")
        yield Episode(
            observations=join_observations(episode.observations, dataset.observation_space, observation_keys),
            actions=np.asarray(episode.actions),
            rewards=np.asarray(episode.rewards),
            terminated=bool(len(terminations) and terminations[-1]),
            seed=record.get("seed"),
        )


@contextmanager
def minari_root(path: Path) -> Iterator[None]:
    """Minari learns where its datasets are from an environment variable only; put it back afterwards."""
    previous = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(path.absolute())
    try:
        yield
    finally:
        if previous is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = previous


def _while_there_is_room(episodes: Iterable[Episode], folder: Path) -> Iterator[Episode]:
    """The episodes, as long as the disk has room: on a full one HDF5 ends the process without a word."""
    for episode in episodes:
        size = episode.observations.nbytes + episode.actions.nbytes + episode.rewards.nbytes
        if shutil.disk_usage(folder).free < DISK_RESERVE + size:
            if isinstance(episodes, Generator):  # its progress bar ends before the error is printed
                episodes.close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield episode


def _buffer(index: int, episode: Episode) -> EpisodeBuffer:
    ends = np.arange(len(episode)) == len(episode) - 1
    return EpisodeBuffer(
        id=index,
        seed=episode.seed,
        observations=episode.observations,
        actions=episode.actions,
        rewards=episode.rewards,
        terminations=ends & episode.terminated,
        truncations=ends & (not episode.terminated),
    )
