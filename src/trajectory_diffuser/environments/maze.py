"""The maze as a grid of cells: coordinates, shortest paths, and whether a segment goes through a wall."""

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np


class Maze:
    """Walls on a grid of square cells, centred on the origin; row 0 is at the top (largest y)."""

    def __init__(self, maze_map: Sequence[Sequence[int | str]], cell_size: float = 1.0) -> None:
        """`maze_map`: rows of cells, 1 a wall and anything else open; `cell_size`: side of a cell, metres."""
        self.maze_map = [list(row) for row in maze_map]
        self.cell_size = cell_size
        self.walls = np.array([[cell == 1 for cell in row] for row in maze_map])  # [rows, columns]

    @classmethod
    def of_environment(cls, environment: gymnasium.Env) -> "Maze | None":
        """The maze of a PointMaze, AntMaze or Fork environment, or None for an environment without one."""
        maze = getattr(environment.unwrapped, "maze", None)
        if isinstance(maze, cls):
            return maze
        return cls(maze.maze_map, maze.maze_size_scaling) if hasattr(maze, "maze_size_scaling") else None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Maze":
        """The inverse of `to_json`."""
        return cls(value["map"], value["cell_size"])

    def to_json(self) -> dict[str, Any]:
        """The map and the size of a cell."""
        return {"map": self.maze_map, "cell_size": self.cell_size}

    def cells(self, points: np.ndarray) -> np.ndarray:
        """Row and column [..., 2] of the cells that hold points [..., 2]; outside counts to the border."""
        rows, columns = self.walls.shape
        column = points[..., 0] / self.cell_size + columns / 2
        row = rows / 2 - points[..., 1] / self.cell_size
        indices = np.floor(np.stack([row, column], axis=-1)).astype(int)
        return np.clip(indices, 0, [rows - 1, columns - 1])

    def centres(self, cells: np.ndarray) -> np.ndarray:
        """Planar centres [..., 2] of the cells [..., 2] given by row and column."""
        rows, columns = self.walls.shape
        x = (cells[..., 1] + 0.5 - columns / 2) * self.cell_size
        y = (rows / 2 - cells[..., 0] - 0.5) * self.cell_size
        return np.stack([x, y], axis=-1)

    @cached_property
    def next_cells(self) -> np.ndarray:
        """First step of a shortest path between any two cells.

        Shape [rows, columns, rows, columns, 2]: `next_cells[goal][cell]` is the neighbour of `cell` that is
        one step nearer to `goal` (breadth-first search; the cell itself where it is the goal or cannot reach
        it).
        """
        rows, columns = self.walls.shape
        grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)
        table = np.broadcast_to(grid, (rows, columns, rows, columns, 2)).copy()
        for goal in map(tuple, np.argwhere(~self.walls)):
            reached, queue = {goal}, deque([goal])
            while queue:
                cell = queue.popleft()
                for neighbour in self._open_neighbours(cell):
                    if neighbour not in reached:
                        reached.add(neighbour)
                        queue.append(neighbour)
                        table[goal][neighbour] = cell
        return table

    def shortest_path(self, start: tuple[int, int], goal: tuple[int, int]) -> list[tuple[int, int]] | None:
        """Cells of a shortest path, both ends included; None when there is no way."""
        path = [tuple(start)]
        while path[-1] != tuple(goal):
            step = tuple(int(index) for index in self.next_cells[tuple(goal)][path[-1]])
            if step == path[-1]:
                return None
            path.append(step)
        return path

    def midway(self, starts: np.ndarray, goals: np.ndarray) -> np.ndarray:
        """The middle cells [N, 2] of shortest paths between points [N, 2]; -1 where there is none."""
        cells = zip(self.cells(starts).tolist(), self.cells(goals).tolist(), strict=True)
        paths = [self.shortest_path(start, goal) or [(-1, -1)] for start, goal in cells]
        return np.array([path[len(path) // 2] for path in paths])

    def without(self, cell: np.ndarray) -> "Maze":
        """The same maze with one cell [2] closed."""
        closed = [list(row) for row in self.maze_map]
        closed[cell[0]][cell[1]] = 1
        return Maze(closed, self.cell_size)

    def crosses_wall(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Whether straight segments go through the inside of a wall cell or leave the map.

        `starts`, `ends`: planar points [..., 2]. Returns booleans [...]. Touching a wall's face is no
        crossing; the point mass has a radius, so its centre never comes that close.
        """
        half = self.cell_size / 2
        centres = self.centres(np.argwhere(self.walls))  # [walls, 2]
        starts, ends = np.asarray(starts, float), np.asarray(ends, float)
        origin = starts[..., None, :] - centres  # [..., walls, 2], relative to each wall
        direction = (ends - starts)[..., None, :]  # [..., 1, 2]
        # The fractions of the segment at which it enters and leaves each axis' slab |coordinate| < half.
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = (-half - origin) / direction, (half - origin) / direction
        parallel = np.broadcast_to(direction == 0, origin.shape)
        inside = np.abs(origin) < half
        enter = np.where(parallel, np.where(inside, -np.inf, np.inf), np.minimum(low, high)).max(axis=-1)
        leave = np.where(parallel, np.where(inside, np.inf, -np.inf), np.maximum(low, high)).min(axis=-1)
        # A positive length (or, for a segment that is one point, a position) inside wall and segment.
        through = (np.maximum(enter, 0.0) < np.minimum(leave, 1.0)).any(axis=-1)
        return through | self._outside(starts) | self._outside(ends)

    def _outside(self, points: np.ndarray) -> np.ndarray:
        rows, columns = self.walls.shape
        return (np.abs(points) > np.array([columns, rows]) * self.cell_size / 2).any(axis=-1)

    def _open_neighbours(self, cell: tuple[int, int]) -> list[tuple[int, int]]:
        row, column = cell
        around = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        rows, columns = self.walls.shape
        return [(r, c) for r, c in around if 0 <= r < rows and 0 <= c < columns and not self.walls[r, c]]
