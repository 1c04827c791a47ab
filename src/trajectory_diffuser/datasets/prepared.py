"""A task's prepared data: what is on disk, and which rows belong to which episode."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.datasets.normaliser import Normaliser

ARRAYS = (
    "observations",
    "actions",
    "rewards",
    "returns_to_go",
    "episode_offsets",
    "terminations",
    "validation",
)


@dataclass(frozen=True)
class PreparedDataset:
    """The memory-mapped arrays of `data/processed/{task}`.

    Shapes: observations [T + E, obs], actions [T, act], rewards [T], returns_to_go [T + E], episode_offsets
    [E + 1] (in transitions), terminations [E], validation [E], for T transitions in E episodes.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    returns_to_go: np.ndarray
    episode_offsets: np.ndarray
    terminations: np.ndarray
    validation: np.ndarray
    normaliser: Normaliser
    provenance: dict[str, Any]

    @classmethod
    def load(cls, directory: Path | str) -> "PreparedDataset":
        """Map the arrays into memory. Raises `UserError` when a file is missing or damaged."""
        directory = Path(directory)
        again = f"python src/prepare_dataset.py --task {directory.name}"
        require_intact(directory, again)
        try:
            return cls(
                **{name: np.load(directory / f"{name}.npy", mmap_mode="r") for name in ARRAYS},
                normaliser=Normaliser.from_json(read_json(directory / "normaliser.json")),
                provenance=read_json(directory / "provenance.json"),
            )
        except FileNotFoundError as error:
            raise UserError(f"{error.filename}: not found; run: {again}") from None

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name."""
        return {name: getattr(self, name) for name in ARRAYS}

    def require_finite(self) -> None:
        """Raise `UserError`, with file and row, where a number that was read is NaN or infinite."""
        task = self.provenance["task"]
        places = {f"{name}.npy": array for name, array in self.arrays.items()}
        places |= {f"normaliser.json: {name}": array for name, array in vars(self.normaliser).items()}
        for place, array in places.items():
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                raise UserError(
                    f"data/processed/{task}/{place}: row {bad[0, 0]} holds {array[tuple(bad[0])]}; "
                    f"run: python src/prepare_dataset.py --task {task}"
                )

    @property
    def observation_size(self) -> int:
        """Dimensions of an observation."""
        return self.observations.shape[1]

    @property
    def action_size(self) -> int:
        """Dimensions of an action."""
        return self.actions.shape[1]

    @property
    def sizes(self) -> dict[str, int]:
        """What networks are told of the data: `state_size` and `action_size`."""
        return {"state_size": self.observation_size, "action_size": self.action_size}

    def first_observations(self, count: int) -> np.ndarray:
        """The first `count` observations [count, obs], from the beginning again where there are fewer."""
        return np.array(np.resize(self.observations[:count], (count, self.observation_size)))

    @property
    def best_return(self) -> float:
        """The highest return of an episode."""
        first, _ = self.observation_bounds(np.arange(len(self.terminations)))
        return float(self.returns_to_go[first].max())

    def episodes(self, split: str) -> np.ndarray:
        """Indices of the episodes of `split`: train or validation."""
        return np.flatnonzero(np.asarray(self.validation) == (split == "validation"))

    def best_episodes(self, split: str, fraction: float) -> np.ndarray:
        """Indices, rising, of this fraction of a split's episodes, those of the highest return.

        Their number is rounded, at least one (of a split that has any); of equal returns the earlier episode
        counts as the higher.
        """
        episodes = self.episodes(split)
        first, _ = self.observation_bounds(episodes)
        returns = self.returns_to_go[first]
        count = max(round(fraction * len(episodes)), 1)
        return np.sort(episodes[np.argsort(-returns, kind="stable")[:count]])

    def observation_bounds(self, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last recorded observation row of each episode, both [len(episodes)].

        A last row that only stands in for an observation that was not recorded is left out.
        """
        offsets = np.asarray(self.episode_offsets)
        stand_in = 0 if self.provenance["final_observations"] else 1
        return offsets[episodes] + episodes, offsets[episodes + 1] + episodes - stand_in
