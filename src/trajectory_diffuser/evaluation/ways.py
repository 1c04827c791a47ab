"""Which of a maze's two ways plans take at the start, and which lead between them, through the wall."""

from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.cell import planner_of, tuned_row
from trajectory_diffuser.evaluation.situations import PLANS_EACH, held_out
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

WAYS = ("shortest", "detour", "through", "neither")
DATA = "data"  # stands for the episodes themselves among the planners
STARTS = 32


def has_two_ways(dataset: PreparedDataset) -> bool:
    """Whether the data were collected in a maze, with detours."""
    return dataset.provenance["maze"] is not None and bool(dataset.provenance["source"].get("detours"))


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


def plan_ways(
    params: dict[str, Any],
    task: str,
    seed: int,
    dataset: PreparedDataset,
    models: PlanningModels,
    runtime: Runtime,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The ways of many plans for the same start, of all planners of the run, and of the data.

    Each plans as an episode begins, `PLANS_EACH` times at the start of each of `STARTS` held-out episodes.

    Returns:
        A row for the data, then one per planner: `planner`, the shares of WAYS, and `plans`, of how many (for
        the data the episodes, each as far as a plan goes). And the positions behind it [plans, H, 2], metres.

    Raises:
        UserError: a planner has not been tuned.
    """
    maze = Maze.from_json(dataset.provenance["maze"])
    first, last = dataset.observation_bounds(np.arange(len(dataset.episode_offsets) - 1))
    ahead = first[:, None] + models.stride * np.arange(models.horizon)  # [episodes, H]
    paths = {DATA: np.asarray(dataset.observations[np.minimum(ahead, last[:, None])])}
    starts, _ = dataset.observation_bounds(dataset.episodes(held_out(dataset)))
    present = dataset.observations[np.repeat(starts[:STARTS], PLANS_EACH)]  # [starts x plans each, obs]
    for name in params["run"]["planners"]:
        row, noise_seed = tuned_row(params, task, seed, name), derive_seed("ways", task, seed, name)
        paths[name] = planner_of([row], models, runtime, noise_seed).plan(present)
    rows = [{"planner": name} | way_shares(path, maze) | {"plans": len(path)} for name, path in paths.items()]
    return pd.DataFrame(rows), {name: path[..., :2] for name, path in paths.items()}
