import pytest
import torch
from small_models import make_diffusion


class Recorder:
    """A network whose two branches are known; counts its calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, plan, step, return_to_go, conditional):
        self.calls.append((plan, step, return_to_go, conditional))
        return (
            torch.where(conditional[:, None, None], plan * return_to_go[:, None, None], -plan)
            + step[:, None, None]
        )


PLAN = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
RETURNS = torch.tensor([1.0, 2.0, 3.0])
CONDITIONAL = PLAN * RETURNS[:, None, None] + 7
UNCONDITIONAL = -PLAN + 7


def guided(weight):
    recorder = Recorder()
    t = torch.full((len(PLAN),), 7)
    return make_diffusion(recorder, state_size=2).guided_prediction(PLAN, t, RETURNS, weight), recorder.calls


@pytest.mark.parametrize(("weight", "branch"), [(0, UNCONDITIONAL), (1, CONDITIONAL), (0.0, UNCONDITIONAL)])
def test_weights_zero_and_one_are_a_single_branch_and_cost_one(weight, branch):
    result, calls = guided(weight)
    assert torch.equal(result, branch)
    assert [len(plan) for plan, *_ in calls] == [3]


@pytest.mark.parametrize("weight", [-0.5, 0.3, 0.999, 1.2, 4.0])
def test_a_weight_combines_both_branches_linearly_in_one_call(weight):
    result, calls = guided(weight)
    torch.testing.assert_close(result, (1 - weight) * UNCONDITIONAL + weight * CONDITIONAL)
    assert [len(plan) for plan, *_ in calls] == [6]


def test_each_plan_is_asked_once_with_and_once_without_its_own_return():
    _, [(plan, step, returns, conditional)] = guided(1.5)
    for index in range(3):
        rows = (plan == PLAN[index]).all(dim=(1, 2))
        assert returns[rows].tolist() == [RETURNS[index]] * 2
        assert sorted(conditional[rows].tolist()) == [False, True]
    assert step.tolist() == [7] * 6
