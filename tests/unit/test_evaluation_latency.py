import pytest
import torch
from small_models import DIFFUSION_STEPS, HISTORY, HORIZON, STATE, make_models, make_planner

from trajectory_diffuser.evaluation.latency import network_calls, steady_state_inputs, time_plans

DATA = torch.arange(40.0)[:, None].expand(-1, STATE)


@pytest.mark.parametrize(
    ("row", "calls"),
    [
        ({"start": "draft", "refine_steps": 0}, HORIZON - 1 + 1),
        ({"start": "draft", "refine_steps": 3}, HORIZON - 1 + 3 + 1),
        ({"start": "draft", "refine_steps": 3, "candidates": 4}, HORIZON - 1 + 3 + 1 + 1),
        ({"start": "draft", "refine_steps": 3, "guidance": 1.5}, HORIZON - 1 + 3 + 1),
        ({"start": "noise", "refine_steps": "all"}, DIFFUSION_STEPS + 1),
        ({"start": "noise", "refine_steps": 2, "sampler": "ddim"}, 2 + 1),
        ({"start": "previous_plan", "refine_steps": 3}, 3 + 1),
    ],
)
def test_network_calls_are_the_forward_passes_of_a_plan_in_mid_episode(row, calls):
    models, counted = make_models(), []
    for network in (models.transformer, models.diffusion.network, models.inverse_dynamics, models.value):
        network.register_forward_hook(lambda *_: counted.append(1))
    planner = make_planner(models, **row)
    planner.plan(*steady_state_inputs(planner, DATA, 1.0, batch=2))
    assert len(counted) == calls
    assert network_calls(planner) == calls


def test_a_planner_is_timed_with_a_full_history_and_a_previous_plan():
    states, returns, previous = steady_state_inputs(make_planner(), DATA, 3.0, batch=5)
    for row in range(5):
        assert states[row, :, 0].tolist() == list(range(row, row + HISTORY))
        assert len(previous[row]) == HORIZON
        assert (previous[row, 1:, 0] - previous[row, :-1, 0]).tolist() == [1] * (HORIZON - 1)
    assert previous.shape == (5, HORIZON, STATE)
    assert returns.tolist() == [[3.0] * HISTORY] * 5


def test_only_the_plans_after_the_warm_up_are_timed():
    planner, made = make_planner(), []
    plan = planner.plan
    planner.plan = lambda *inputs: made.append(plan(*inputs))
    seconds = time_plans(planner, steady_state_inputs(planner, DATA, 1.0, batch=1), warmup=2, repetitions=3)
    assert len(seconds) == 3
    assert len(made) == 5
    assert all(0 < value < 10 for value in seconds)
