"""Data that grow: whole episodes of a rollout, behind those of prepared data."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.preparation import returns_to_go
from trajectory_diffuser.datasets.prepared import PreparedDataset


class Collector:
    """Keeps the episodes of a rollout whole; its `record` is what `run_episodes` takes.

    Args:
        seeds: of the environments' resets, one per episode.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = seeds
        self.steps: list[list[tuple]] = [[] for _ in seeds]

    def record(self, running: np.ndarray, *step: np.ndarray) -> None:
        """Keep a step of the episodes `running` [n], in the order of `run_episodes`; all [n, ...]."""
        for index, *values in zip(running, *step, strict=True):
            self.steps[index].append(tuple(values))

    def episodes(self) -> list[Episode]:
        """All episodes, once they are over."""
        return [_episode(steps, seed) for steps, seed in zip(self.steps, self.seeds, strict=True)]


def _episode(steps: list[tuple], seed: int) -> Episode:
    observations, actions, rewards, following, terminated = (
        np.stack(values) for values in zip(*steps, strict=True)
    )
    return Episode(
        np.concatenate([observations, following[-1:]]), actions, rewards, bool(terminated[-1]), seed
    )


def with_episodes(dataset: PreparedDataset, episodes: Sequence[Episode]) -> PreparedDataset:
    """The data with these episodes behind their own, to train on.

    Normaliser and provenance stay, and so do the episodes that are held out.
    """
    lengths = [len(episode) for episode in episodes]
    new = {
        "observations": np.concatenate([episode.observations for episode in episodes]),
        "actions": np.concatenate([episode.actions for episode in episodes]),
        "rewards": np.concatenate([episode.rewards for episode in episodes]),
        "returns_to_go": np.concatenate([returns_to_go(episode.rewards) for episode in episodes]),
        "episode_offsets": dataset.episode_offsets[-1] + np.cumsum(lengths),
        "terminations": [episode.terminated for episode in episodes],
        "validation": np.zeros(len(episodes)),
    }
    grown = {
        name: np.concatenate([array, np.asarray(new[name], array.dtype)])
        for name, array in dataset.arrays.items()
    }
    return replace(dataset, **grown)
