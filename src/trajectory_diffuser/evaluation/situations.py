"""Many plans for the same situations of held-out data, and how much they differ."""

import math

import numpy as np
from torch import Tensor

from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.trajectory_planner import Plan

SITUATIONS, PLANS_EACH = 8, 16


def held_out(dataset: PreparedDataset) -> str:
    """The split to look at: validation, or train where it has no episodes."""
    return "validation" if len(dataset.episodes("validation")) else "train"


def situations(dataset: PreparedDataset, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of observations in the middle of held-out episodes, with so many steps before them if possible.

    Returns:
        The rows, and the first and last row of their episodes, each [situations].
    """
    first, last = dataset.observation_bounds(dataset.episodes(held_out(dataset)))
    chosen = np.linspace(0, len(first) - 1, min(SITUATIONS, len(first))).astype(int)
    first, last = first[chosen], last[chosen]
    return np.minimum(np.maximum((first + last) // 2, first + steps), last), first, last


def what_followed(
    dataset: PreparedDataset, present: np.ndarray, last: np.ndarray, models: PlanningModels
) -> np.ndarray:
    """Observations [N, H, obs] from rows [N] on, as far as plans go; an episode stays at its `last` row."""
    ahead = present[:, None] + models.stride * np.arange(models.horizon)  # [N, H]
    return np.asarray(dataset.observations[np.minimum(ahead, last[:, None])])


def plans_in_situations(planner: Planner, dataset: PreparedDataset) -> Plan:
    """What a fresh planner plans: `PLANS_EACH` plans in each of the `situations`, side by side.

    It has seen the states and rewards up to there and planned one step before, as in the middle of an
    episode that began with its target return.
    """
    memory, steps = planner.memory, planner.units.steps_read
    present, first, _ = (
        np.repeat(rows, PLANS_EACH) for rows in situations(dataset, steps)
    )  # [situations x plans each]
    returns_to_go = np.asarray(dataset.returns_to_go)
    earliest = np.maximum(present - steps, first)
    memory.target_return = memory.target_return - (returns_to_go[first] - returns_to_go[earliest])
    before = earliest
    for ago in range(steps, -1, -1):
        rows = np.maximum(present - ago, earliest)
        reward = returns_to_go[before] - returns_to_go[rows]
        if ago in (1, 0):
            planner.plan(dataset.observations[rows], reward)
        else:
            planner.observe(dataset.observations[rows], reward)
        before = rows
    plan = memory.last_plan
    assert plan is not None
    return plan


def spread(plan: Plan) -> dict[str, float]:
    """How much plans of `plans_in_situations` differ from one another in the same situation.

    Returns:
        plan_distance: root mean square distance between two plans, over pairs, states and dimensions, in
        standard deviations of the data. action_deviation: standard deviation of the first action, over its
        dimensions, in the environment's units.
    """
    # Over pairs of different plans it is twice the unbiased variance.
    variance = by_situation(plan.states[:, 1:].flatten(1)).var(dim=1)
    deviation = by_situation(plan.action).std(dim=1)
    return {
        "plan_distance": math.sqrt(2 * float(variance.mean())),
        "action_deviation": math.sqrt(float(deviation.square().mean())),
    }


def by_situation(values: Tensor) -> Tensor:
    """Values of plans [situations x plans each, ...] as [situations, plans each, ...]."""
    return values.double().unflatten(0, (-1, PLANS_EACH))
