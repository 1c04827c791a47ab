"""A toy with two modes: a point goes left or right round a block to a goal behind it, equally far either way.

Nothing but numpy moves it, so that data, training and evaluation take minutes. Registered as
`trajectory_diffuser.environments.fork:Fork-v0`.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from trajectory_diffuser.environments.maze import Maze

# The start (r) is below the block, the goal (g) above it. The two ways are as long as each other; the
# left one is what `Maze` finds as the shortest.
MAP = ((1, 1, 1, 1, 1), (1, 0, "g", 0, 1), (1, 0, 1, 0, 1), (1, 0, "r", 0, 1), (1, 1, 1, 1, 1))
START, GOAL = np.array([0.0, -1.0]), np.array([0.0, 1.0])  # metres
START_NOISE = 0.1  # metres, either way
SPEED = 2.0  # metres per second, of an action of 1
STEP = 0.1  # seconds
GOAL_RADIUS = 0.45  # metres; as PointMaze's


class Fork(gymnasium.Env):
    """Observes (x, y, velocity x, velocity y, goal x, goal y), as PointMaze does; an action is a velocity.

    In each step the velocity comes half of the way to the one asked for. Walls stop what moves into them. A
    step that ends at the goal is rewarded with 1, any other with 0; an episode ends with its time.
    """

    observation_space = Box(-np.inf, np.inf, (6,), np.float64)
    action_space = Box(-1.0, 1.0, (2,), np.float32)

    def __init__(self) -> None:
        self.maze = Maze(MAP)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin at rest, near the start."""
        super().reset(seed=seed)
        self.position = START + self.np_random.uniform(-START_NOISE, START_NOISE, 2)
        self.velocity = np.zeros(2)
        return self._observation(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move for a step."""
        self.velocity = (self.velocity + SPEED * np.clip(action, -1.0, 1.0)) / 2
        for axis in range(2):  # one after the other, so that the point slides along walls
            moved = self.position.copy()
            moved[axis] += STEP * self.velocity[axis]
            if self.maze.walls[tuple(self.maze.cells(moved))]:
                self.velocity[axis] = 0.0
            else:
                self.position = moved
        arrived = bool(np.linalg.norm(self.position - GOAL) < GOAL_RADIUS)
        return self._observation(), float(arrived), False, False, {"success": arrived}

    def _observation(self) -> np.ndarray:
        return np.concatenate([self.position, self.velocity, GOAL])


gymnasium.register("Fork-v0", "trajectory_diffuser.environments.fork:Fork")
