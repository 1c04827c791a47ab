"""Diversity of plans, against what is known of made-up ones and against brute force."""

from collections import Counter
from math import log2
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.evaluation.diversity import CELLS, Plane, action_entropy, state_coverage
from trajectory_diffuser.evaluation.situations import PLANS_EACH
from trajectory_diffuser.planning.trajectory_planner import Plan

BOUNDS = SimpleNamespace(action_bounds=np.array([[-2.0], [2.0]]))


def plan_of(actions=None, states=None):
    return Plan(states, actions, None)


@pytest.mark.parametrize("kinds", [1, 2, 4, 16])
def test_the_entropy_of_as_many_actions_of_each_kind_is_the_logarithm_of_the_kinds(kinds):
    own = torch.linspace(-2, 2, kinds).repeat(PLANS_EACH // kinds)[:, None]
    assert action_entropy(plan_of(torch.cat([own, own + 1e-9])), BOUNDS) == pytest.approx(log2(kinds))


def test_the_entropy_is_a_mean_over_situations_and_dimensions():
    generator = torch.Generator().manual_seed(0)
    actions = 4 * torch.rand(3 * PLANS_EACH, 2, generator=generator) - 2
    models = SimpleNamespace(action_bounds=np.array([[-2.0, -2.0], [2.0, 2.0]]))
    entropies = []
    for situation in actions.view(3, PLANS_EACH, 2):
        for column in situation.T:
            counts = Counter(int((float(value) + 2) / 4 * 16) for value in column)
            entropies.append(-sum(n / PLANS_EACH * log2(n / PLANS_EACH) for n in counts.values()))
    assert action_entropy(plan_of(actions), models) == pytest.approx(np.mean(entropies))


def test_actions_beyond_the_bounds_are_in_the_outermost_bins():
    actions = torch.tensor([[-9.0], [-2.0], [2.0], [9.0]]).repeat(PLANS_EACH // 4, 1)
    assert action_entropy(plan_of(actions), BOUNDS) == pytest.approx(1)


def test_coverage_counts_the_cells_that_a_situations_plans_reach():
    # Data on a plane of three dimensions, the third of no width: cells are those of the first two.
    across = np.linspace(-1, 1, CELLS + 1)
    data = np.array([(10 * x, y, 0.0) for x in across for y in across], dtype=np.float32)
    normaliser = Normaliser(
        np.zeros(3, dtype=np.float32), np.ones(3, dtype=np.float32), data.min(0), data.max(0)
    )
    dataset = SimpleNamespace(observations=data, normaliser=normaliser)
    middles = torch.tensor(across[:-1] + 1 / CELLS, dtype=torch.float32)
    # The first situation's plans all go through five cells, the second's each through two of their own.
    same = torch.stack([10 * middles[:6], middles[[3]].expand(6), torch.zeros(6)], dim=-1).expand(
        PLANS_EACH, 6, 3
    )
    other = torch.zeros(PLANS_EACH, 6, 3)
    for index in range(PLANS_EACH):
        other[index, :, 0] = 10 * middles[index]
        other[index, 3:, 1] = middles[30]
        other[index, :3, 1] = middles[5]
    found = state_coverage(plan_of(states=torch.cat([same, other])), Plane.of(dataset))
    assert found == (5 + 2 * PLANS_EACH) / 2
