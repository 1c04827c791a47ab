"""Which of a maze's two ways plans take at the start of an episode."""

from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.environments.ways import DATA, way_shares
from trajectory_diffuser.evaluation.cell import planner_of, tuned_row
from trajectory_diffuser.evaluation.situations import PLANS_EACH, held_out, what_followed
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

STARTS = 32


def starts(dataset: PreparedDataset) -> np.ndarray:
    """Observations [starts x plans each, obs] at the start of held-out episodes, each `PLANS_EACH` times."""
    first, _ = dataset.observation_bounds(dataset.episodes(held_out(dataset)))
    return dataset.observations[np.repeat(first[:STARTS], PLANS_EACH)]


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
        A row for the data, then one per planner: `planner`, the shares of `WAYS`, and `plans`, of how many
        (for the data the episodes, each as far as a plan goes). And the positions behind it [plans, H, 2],
        metres.

    Raises:
        UserError: a planner has not been tuned.
    """
    maze = Maze.from_json(dataset.provenance["maze"])
    first, last = dataset.observation_bounds(np.arange(len(dataset.episode_offsets) - 1))
    paths = {DATA: what_followed(dataset, first, last, models)}  # [episodes, H, obs]
    present = starts(dataset)
    for name in params["run"]["planners"]:
        row, noise_seed = tuned_row(params, task, seed, name), derive_seed("ways", seed, name)
        paths[name] = planner_of([row], models, runtime, noise_seed).plan(present)
    rows = [{"planner": name} | way_shares(path, maze) | {"plans": len(path)} for name, path in paths.items()]
    return pd.DataFrame(rows), {name: path[..., :2] for name, path in paths.items()}
