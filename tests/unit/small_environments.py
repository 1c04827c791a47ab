"""An environment without physics; from its id worker processes know which module to import."""

import os
from typing import Any

import gymnasium
import numpy as np


class Counting(gymnasium.Env):
    """Observes [reset seed, step, sum of all actions]; episode s lasts 3 + s % 3 steps.

    Arguments: `show_process` observes the process instead of the sum; the episode with seed 4 raises at step
    `fail`, and at step `die` its process ends.
    """

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, show_process: bool = False, fail: int | None = None, die: int | None = None) -> None:
        self.show_process, self.fail, self.die = show_process, fail, die

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.seed, self.steps, self.sum = seed or 0, 0, 0.0
        return self.observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.sum += float(action.sum())
        if self.seed == 4 and self.steps == self.fail:
            raise ValueError("the hinge came off")
        if self.seed == 4 and self.steps == self.die:
            os._exit(1)
        over = self.steps == 3 + self.seed % 3
        return self.observation(), self.seed + self.sum, over, False, {"success": over and self.seed % 2 == 0}

    def observation(self) -> np.ndarray:
        return np.array([self.seed, self.steps, os.getpid() if self.show_process else self.sum], float)


gymnasium.register("Counting-v0", Counting)

COUNTING: dict[str, Any] = {
    "id": "small_environments:Counting-v0",
    "arguments": {},
    "max_episode_steps": 9,
    "observation_keys": None,
}
