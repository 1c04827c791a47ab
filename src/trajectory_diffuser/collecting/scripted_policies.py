"""Policies that need no training: the waypoint controller of PointMaze and Fork, and Meta-World's own."""

import warnings

import gymnasium
import numpy as np

from trajectory_diffuser.environments.maze import Maze

PROPORTIONAL_GAIN = 10.0  # action per metre
DERIVATIVE_GAIN = 1.0  # action per metre per second


class WaypointController:
    """Policy for a point mass whose observation is (x, y, velocity x, velocity y, goal x, goal y).

    Waypoints along the shortest path, PD control towards the next one: the recipe of D4RL's maze2d data (Fu
    et al., arXiv 2004.07219, section 4) without its memory. The waypoint is a function of the cell, so that
    the controller finds its way again from wherever noise has put it, and it stays at the goal once there.
    A new generator of noise means that a new episode began.
    """

    def __init__(self, maze: Maze, action_noise: float = 0.0, detours: float = 0.0) -> None:
        """A controller for a maze.

        Args:
            maze: where it acts.
            action_noise: standard deviation of the noise on an action, in units of its range [-1, 1].
            detours: share of the episodes that do not take the shortest path: the middle of it is closed to
                them. Where there is no other path they do.
        """
        self.whole, self.maze = maze, maze
        self.action_noise, self.detours = action_noise, detours
        self.generator: np.random.Generator | None = None

    def __call__(self, observations: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Actions [..., 2] in [-1, 1] for observations [..., 6]; with detours, for one observation [6]."""
        if self.detours and generator is not self.generator:
            self.generator = generator
            self.maze = self._choose_way(observations[:2], observations[4:6], generator)
        position, velocity, goal = np.split(observations[..., :6], 3, axis=-1)  # each [..., 2]
        offset = self.waypoints(position, goal) - position
        action = np.clip(PROPORTIONAL_GAIN * offset - DERIVATIVE_GAIN * velocity, -1.0, 1.0)
        noise = self.action_noise * generator.standard_normal(action.shape)
        return np.clip(action + noise, -1.0, 1.0)

    def waypoints(self, positions: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """Where to head for, [..., 2]: the next cell's centre, or the goal if it is in this or the next."""
        cells, goal_cells = self.maze.cells(positions), self.maze.cells(goals)  # [..., 2]
        steps = self.maze.next_cells[goal_cells[..., 0], goal_cells[..., 1], cells[..., 0], cells[..., 1]]
        arrived = (steps == goal_cells).all(axis=-1, keepdims=True)
        return np.where(arrived, goals, self.maze.centres(steps))

    def _choose_way(self, start: np.ndarray, goal: np.ndarray, generator: np.random.Generator) -> Maze:
        """The maze for an episode, perhaps with its shortest path closed."""
        # A stream of its own: an environment seeded alike draws its start and goal from the same numbers.
        if generator.spawn(1)[0].random() >= self.detours:
            return self.whole
        detour = self.whole.without(self.whole.midway(start[None], goal[None])[0])
        ends = (tuple(cell) for cell in self.whole.cells(np.stack([start, goal])).tolist())
        return self.whole if detour.shortest_path(*ends) is None else detour


class ScriptedPolicy:
    """Meta-World's own controller for a task, with Gaussian noise on its actions.

    The package's warnings about its controllers' large gains are expected.
    """

    def __init__(self, environment: gymnasium.Env, action_noise: float = 0.0) -> None:
        """`action_noise`: standard deviation in units of the action's range [-1, 1]."""
        from metaworld.policies import ENV_POLICY_MAP

        self.policy = ENV_POLICY_MAP[environment.spec.kwargs["env_name"]]()
        self.action_noise = action_noise

    def __call__(self, observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Action [4] in [-1, 1] for one observation [39]."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            action = self.policy.get_action(observation)
        noise = self.action_noise * generator.standard_normal(action.shape)
        return np.clip(action + noise, -1.0, 1.0).astype(np.float32)
