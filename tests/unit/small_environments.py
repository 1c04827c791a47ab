"""An environment without physics."""

from typing import Any

import gymnasium
import numpy as np


class Counting(gymnasium.Env):
    """Observes [reset seed, step, sum of all actions]; episode s lasts 3 + s % 3 steps, even ones succeed."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.seed, self.steps, self.sum = seed or 0, 0, 0.0
        return self.observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.sum += float(action.sum())
        over = self.steps == 3 + self.seed % 3
        return self.observation(), self.seed + self.sum, over, False, {"success": over and self.seed % 2 == 0}

    def observation(self) -> np.ndarray:
        return np.array([self.seed, self.steps, self.sum], float)


gymnasium.register("Counting-v0", Counting)

COUNTING: dict[str, Any] = {
    "id": "Counting-v0",
    "arguments": {},
    "max_episode_steps": 9,
    "observation_keys": None,
}
