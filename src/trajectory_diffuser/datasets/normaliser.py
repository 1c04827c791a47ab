"""Gaussian normalisation of observations."""

from dataclasses import dataclass
from typing import Any

import numpy as np

SMALLEST_DEVIATION = 1e-6  # below it a dimension counts as constant and is only centred
BLOCK_ROWS = 100_000


@dataclass(frozen=True)
class Normaliser:
    """Mean, standard deviation and range of each raw observation dimension; all arrays are [obs] float32."""

    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray

    @classmethod
    def fit(cls, observations: np.ndarray, chosen: np.ndarray | None = None) -> "Normaliser":
        """From raw observations [N, obs]; a constant dimension gets a standard deviation of 1.

        `chosen` [N]: the rows that count (default: all). Rows are read in blocks, in double precision, so
        that a memory-mapped array need not fit into memory.
        """
        keep = np.ones(len(observations), bool) if chosen is None else chosen
        blocks = range(0, len(observations), BLOCK_ROWS)

        def block(start: int) -> np.ndarray:
            rows = slice(start, start + BLOCK_ROWS)
            return observations[rows][keep[rows]].astype(np.float64)

        mean = sum(block(start).sum(axis=0) for start in blocks) / keep.sum()
        variance = sum(((block(start) - mean) ** 2).sum(axis=0) for start in blocks) / keep.sum()
        bounds = [(b.min(axis=0), b.max(axis=0)) for b in map(block, blocks) if len(b)]
        std = np.sqrt(variance)
        return cls(
            mean=mean.astype(np.float32),
            std=np.where(std < SMALLEST_DEVIATION, 1.0, std).astype(np.float32),
            minimum=np.min([low for low, _ in bounds], axis=0).astype(np.float32),
            maximum=np.max([high for _, high in bounds], axis=0).astype(np.float32),
        )

    def normalise(self, observations: np.ndarray) -> np.ndarray:
        """Raw observations [..., obs] in standard deviations from the mean."""
        return (observations - self.mean) / self.std

    def unnormalise(self, observations: np.ndarray) -> np.ndarray:
        """The inverse of `normalise`."""
        return observations * self.std + self.mean

    @property
    def normalised_minimum(self) -> np.ndarray:
        """Smallest normalised value of each dimension in the data, [obs]."""
        return self.normalise(self.minimum)

    @property
    def normalised_maximum(self) -> np.ndarray:
        """Largest normalised value of each dimension in the data, [obs]."""
        return self.normalise(self.maximum)

    def to_json(self) -> dict[str, list[float]]:
        """Lists by field name."""
        return {name: getattr(self, name).tolist() for name in ("mean", "std", "minimum", "maximum")}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Normaliser":
        """The inverse of `to_json`."""
        return cls(
            **{name: np.array(value[name], np.float32) for name in ("mean", "std", "minimum", "maximum")}
        )
