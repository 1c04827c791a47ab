"""Behaviour actors: small squashed Gaussian policies, and the ladder of them that one learner left behind.

A ladder is a folder `data/behaviour/{ladder}/` of `step_*.safetensors` and a `ladder.json` that describes
them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.files import read_json

LADDER_FILE = "ladder.json"
LOG_STD_RANGE = (-20.0, 2.0)


class Actor:
    """A multilayer perceptron that gives the mean and spread of a Gaussian, squashed by tanh into [-1, 1].

    Weights (torch's layout, outputs x inputs): `hidden_0`, `hidden_1` (ReLU), `mean` and `log_std`.
    """

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = {name: np.ascontiguousarray(value.T) for name, value in weights.items()}

    @classmethod
    def load(cls, path: Path | str) -> "Actor":
        """From a safetensors file. Raises `UserError` when it is missing."""
        if not Path(path).exists():
            raise UserError(f"{path}: not found; restore it from git or run: snakemake train_behaviour")
        return cls(load_file(path))

    def __call__(
        self, observations: np.ndarray, generator: np.random.Generator | None = None, noise: float = 1.0
    ) -> np.ndarray:
        """Actions [..., act] for observations [..., obs]; without a generator the noise-free ones.

        `noise` multiplies the policy's standard deviation.
        """
        hidden = np.maximum(self._linear("hidden_0", observations.astype(np.float32)), 0.0)  # [..., width]
        hidden = np.maximum(self._linear("hidden_1", hidden), 0.0)
        action = self._linear("mean", hidden)  # [..., act]
        if generator is not None:
            std = np.exp(np.clip(self._linear("log_std", hidden), *LOG_STD_RANGE))
            action = action + noise * std * generator.standard_normal(action.shape)
        return np.tanh(action)

    def _linear(self, name: str, inputs: np.ndarray) -> np.ndarray:
        return inputs @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


@dataclass(frozen=True)
class Ladder:
    """The actors of one training run, in the order in which the learner went through them."""

    directory: Path
    record: dict[str, Any]

    @classmethod
    def load(cls, directory: Path | str) -> "Ladder":
        """Read `ladder.json`. Raises `UserError` when there is none."""
        directory = Path(directory)
        if not (directory / LADDER_FILE).exists():
            raise UserError(
                f"{directory}: no ladder of behaviour actors (tasks.*.source.ladder in params.yaml); "
                "name an existing folder or run: snakemake train_behaviour"
            )
        return cls(directory, read_json(directory / LADDER_FILE))

    def rungs(self, name: str) -> list[dict[str, Any]]:
        """Records of the rungs called `medium` or `expert` (one), or `replay` (all up to the medium one)."""
        ordered = sorted(self.record["rungs"], key=lambda rung: rung["step"])
        medium = next(index for index, rung in enumerate(ordered) if rung["role"] == "medium")
        if name == "replay":
            return ordered[: medium + 1]
        return [rung for rung in ordered if rung["role"] == name]

    def actor(self, rung: dict[str, Any]) -> Actor:
        """The actor of a rung."""
        return Actor.load(self.directory / rung["file"])
