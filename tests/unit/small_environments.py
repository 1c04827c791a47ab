"""Environments without physics, and a small maze."""

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


RING = [[1, 1, 1, 1, 1], [1, 0, 0, 0, 1], [1, "r", 1, "g", 1], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]]
TWO_WAYS: dict[str, Any] = {
    "id": "PointMaze_UMaze-v3",
    "arguments": {"maze_map": RING, "continuing_task": True, "reset_target": False},
    "max_episode_steps": 100,
    "observation_keys": ["observation", "desired_goal"],
}
FORK: dict[str, Any] = {
    "id": "trajectory_diffuser.environments.fork:Fork-v0",
    "arguments": {},
    "max_episode_steps": 48,
    "observation_keys": None,
}


class Broken(Counting):
    """Counting, but for one fault in step 2 of the episodes with reset seed 5, or in their reset."""

    def __init__(self, fault: str = "none") -> None:
        self.fault = fault
        if fault == "raises when made":
            raise RuntimeError("no\nphysics")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        answer = super().reset(seed=seed)
        if self.fault == "raises at reset" and self.seed == 5:
            raise ValueError("no such\nstart")
        return answer

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        observation, reward, *others = super().step(action)
        if (self.seed, self.steps) == (5, 2):
            if self.fault == "raises":
                raise RuntimeError("the physics\nexploded")
            if self.fault == "hangs":
                while True:
                    pass
            if self.fault == "computes on in C":
                sum(range(10**12))
            observation[1] = np.nan if self.fault == "NaN in the observation" else observation[1]
            reward = -np.inf if self.fault == "infinite reward" else reward
        return observation, reward, *others


gymnasium.register("Broken-v0", "small_environments:Broken")  # Minari writes it down as text


def broken(fault: str) -> dict[str, Any]:
    """A task's `environment` entry."""
    return COUNTING | {"id": "Broken-v0", "arguments": {"fault": fault}}


FAULTS = {
    "NaN in the observation": "step 2: the observation holds nan",
    "infinite reward": "step 2: the reward holds -inf",
    "raises": "step 2: RuntimeError: the physics exploded",
    "raises at reset": "step 0: ValueError: no such start",
    "hangs": "step 2: TimeoutError: no answer within 0.5 seconds",
}
"""What the one line says of each, after the environment's id and seed."""
