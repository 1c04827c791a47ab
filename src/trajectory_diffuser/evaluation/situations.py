"""Many plans for the same situations of held-out data, and how much they differ."""

import numpy as np
from torch import Tensor

from trajectory_diffuser.datasets.windows import PreparedDataset
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.trajectory_planner import Plan

SITUATIONS, PLANS_EACH = 8, 16


def held_out_episodes(dataset: PreparedDataset) -> np.ndarray:
    """Indices of the validation episodes; of all where there are none."""
    episodes = dataset.episodes("validation")
    return episodes if len(episodes) else dataset.episodes("train")


def plans_in_situations(planner: Planner, dataset: PreparedDataset) -> Plan:
    """What a fresh planner plans: `PLANS_EACH` plans in each of `SITUATIONS` situations, side by side.

    Each situation is the middle of a held-out episode; the return asked for stays at the target.
    """
    first, last = dataset.observation_bounds(held_out_episodes(dataset))
    chosen = np.linspace(0, len(first) - 1, min(SITUATIONS, len(first))).astype(int)
    present = np.repeat((first[chosen] + last[chosen]) // 2, PLANS_EACH)  # [situations x plans each]
    earliest = np.repeat(first[chosen], PLANS_EACH)
    for ago in range(planner.memory.steps - 1, 0, -1):
        planner.observe(dataset.observations[np.maximum(present - ago, earliest)])
    planner.plan(dataset.observations[present])
    plan = planner.memory.last_plan
    assert plan is not None
    return plan


def spread(plan: Plan) -> dict[str, float]:
    """How much plans of `plans_in_situations` differ from one another in the same situation.

    Returns:
        plan_distance: root mean square distance between two plans, over pairs, states and dimensions, in
        standard deviations of the data. action_deviation: standard deviation of the first action, over its
        dimensions, in the environment's units.
    """
    return {
        "plan_distance": _pairwise_distance(plan.states[:, 1:].flatten(1)),
        "action_deviation": float(_by_situation(plan.action).std(dim=1).square().mean().sqrt()),
    }


def _pairwise_distance(plans: Tensor) -> float:
    """The root mean square difference of two plans [situations x plans each, numbers] in one situation."""
    # Over pairs of different plans it is twice the unbiased variance.
    return float((2 * _by_situation(plans).var(dim=1)).mean().sqrt())


def _by_situation(values: Tensor) -> Tensor:
    return values.double().unflatten(0, (-1, PLANS_EACH))  # [situations, plans each, numbers]
