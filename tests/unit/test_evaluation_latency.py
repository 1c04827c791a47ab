import numpy as np
import pytest
import torch
from small_models import ACTION, DIFFUSION_STEPS, HISTORY, HORIZON, STATE, make_models, make_planner

from trajectory_diffuser.evaluation.latency import SteadyState, measure, peak_bytes
from trajectory_diffuser.evaluation.network_cost import network_cost, record_calls, repeat_calls
from trajectory_diffuser.planning.planner import Planner

DATA = np.arange(40.0)[:, None].repeat(STATE, axis=1)
CPU = torch.device("cpu")


def steady(batch=2, models=None, **row):
    return SteadyState(Planner(make_planner(models, **row), 10.0, CPU), DATA, batch)


@pytest.mark.parametrize(
    ("row", "calls"),
    [
        ({"start": "draft", "refine_steps": 0}, HORIZON - 1 + 1),
        ({"start": "draft", "refine_steps": 3}, HORIZON - 1 + 3 + 1),
        ({"start": "draft", "refine_steps": 3, "candidates": 4}, HORIZON - 1 + 3 + 1 + 1),
        ({"start": "draft", "refine_steps": 3, "guidance": 1.5}, HORIZON - 1 + 3 + 1),
        ({"start": "draft", "refine_steps": 1, "last_steps": 3}, HORIZON - 1 + 1 + 1),
        ({"start": "draft", "redraft_every": 3}, (HORIZON - 1 + 1 + 1) / 3 + 3 + 1),
        ({"start": "draft", "actions_per_plan": 3}, HORIZON - 1 + 3 + 3),
        ({"start": "noise", "refine_steps": "all"}, DIFFUSION_STEPS + 1),
        ({"start": "noise", "refine_steps": 2, "sampler": "ddim"}, 2 + 1),
        ({"start": "previous_plan", "refine_steps": 3}, 3 + 1),
    ],
)
def test_network_calls_are_the_forward_passes_per_plan_in_mid_episode(row, calls):
    assert measure({"x": steady(**row)}, 0, 1, CPU)["x"]["network_calls"] == pytest.approx(calls)


def matrix_product(rows, inputs, outputs):
    return 2 * rows * inputs * outputs


def test_operations_are_those_of_the_matrix_products_and_of_attention():
    models, width, heads = make_models(), 16, 2
    cost = network_cost(record_calls(models, steady(1, models, refine_steps=0).whole_cycle))
    expected = 0
    for index in range(HORIZON - 1):
        tokens, keys = (HISTORY, HISTORY) if index == 0 else (1, HISTORY + index)
        expected += matrix_product(tokens, STATE + 1, width)
        for _ in models.transformer.blocks:
            expected += matrix_product(tokens, width, 3 * width) + matrix_product(tokens, width, width)
            expected += 2 * matrix_product(tokens, width, 2 * width)
            expected += heads * 2 * matrix_product(tokens, width // heads, keys)
        expected += matrix_product(tokens, width, STATE + 1)
    assert cost.flops["transformer"] == expected
    assert cost.calls == {"transformer": HORIZON - 1, "inverse_dynamics": 1}
    inverse = matrix_product(1, 2 * STATE, 8) + matrix_product(1, 8, ACTION)
    assert cost.flops["inverse_dynamics"] == inverse


def test_a_second_guidance_branch_doubles_the_denoisers_operations():
    costs = {}
    for guidance in (0.0, 1.0, 1.5):
        models = make_models()
        state = steady(1, models, guidance=guidance)
        costs[guidance] = network_cost(record_calls(models, state.whole_cycle)).flops["denoiser"]
    assert costs[0.0] == costs[1.0]
    assert costs[1.5] == 2 * costs[1.0]


def test_repeated_calls_are_the_same_calls_and_leave_no_hook_behind():
    models = make_models()
    state = steady(models=models, guidance=1.5, redraft_every=2)
    calls = record_calls(models, state.whole_cycle)
    again = record_calls(models, lambda: repeat_calls(calls))
    assert [(call.name, call.past) for call in again] == [(call.name, call.past) for call in calls]
    for network in (models.transformer, models.diffusion.network, models.inverse_dynamics):
        assert not network._forward_pre_hooks


def test_a_planner_is_timed_with_a_full_history_and_a_previous_plan():
    state = steady(batch=5, start="previous_plan", actions_per_plan=3)
    before = state.agent.states[:, :, 0]
    assert before.shape == (5, HISTORY)
    assert (before[:, 1:] - before[:, :-1] == 1).all()
    assert (before[1:] - before[:-1] == 1).all()
    assert state.agent.last_plan is not None
    assert [state.decide() for _ in range(6)] == [True, False, False] * 2


def test_rates_and_times_fit_each_other():
    state = steady(batch=4, actions_per_plan=2, redraft_every=2)
    row = measure({"x": state}, 1, 5, CPU)["x"]
    assert row["decisions_per_second"] == pytest.approx(2 * row["plans_per_second"] / 4)
    assert row["seconds_per_plan"] == pytest.approx(4 / row["plans_per_second"])
    assert 0 < row["network_seconds"] < row["seconds_per_plan"]
    assert row["p50_seconds"] <= row["p95_seconds"] < 10
    assert row["transformer_calls"] == (HORIZON - 1 + 2) / 2
    assert row["denoiser_calls"] == 3


def test_peak_memory_counts_what_is_held_at_a_time():
    def work():
        first = torch.ones(1000)
        second = torch.ones(3000)
        del first
        return second.sum() + torch.ones(500).sum()

    assert 4 * 4000 <= peak_bytes(work, CPU) < 4 * 4400
