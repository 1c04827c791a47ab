"""Which of a maze's two ways a path takes, or whether it leads between them, through the wall."""

from typing import Any

import numpy as np

from trajectory_diffuser.environments.maze import Maze

WAYS = ("shortest", "detour", "through", "neither")
DATA = "data"  # in tables of planners: the episodes that they learned from


def has_two_ways(source: dict[str, Any]) -> bool:
    """Whether data of this source, a task's entry in the parameters, take detours; only mazes have them."""
    return bool(source.get("detours"))


def way_shares(paths: np.ndarray, maze: Maze) -> dict[str, float]:
    """The share of paths that go each of WAYS.

    A path goes through if any part of it is inside a wall. Others go the shortest way or the detour, if they
    come through the cell in the middle of a shortest path or, with that cell closed, in the middle of what is
    the shortest then; and neither if they do not come so far.

    Args:
        paths: states [N, H, obs] that begin with the position, metres, and end with the goal.
        maze: with two ways between start and goal.
    """
    positions, goals = paths[..., :2], paths[:, 0, -2:]  # [N, H, 2], [N, 2]
    starts, cells = positions[:, 0], maze.cells(positions)
    middle = maze.midway(starts, goals)  # [N, 2]
    other = np.zeros_like(middle)
    for cell in np.unique(middle, axis=0):
        same = (middle == cell).all(axis=1)
        other[same] = maze.without(cell).midway(starts[same], goals[same])
    through = maze.crosses_wall(positions[:, :-1], positions[:, 1:]).any(axis=1)
    visited = [(cells == each[:, None]).all(axis=2).any(axis=1) for each in (middle, other)]
    way = np.select([through, *visited], ["through", "shortest", "detour"], "neither")  # [N]
    return {name: float((way == name).mean()) for name in WAYS}
