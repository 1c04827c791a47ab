from types import SimpleNamespace

import numpy as np
import pytest
from small_models import (
    ACTION,
    CPU,
    DIFFUSION_STEPS,
    HISTORY,
    HORIZON,
    STATE,
    make_models,
    make_planner,
    make_policy,
)

from trajectory_diffuser.evaluation import latency
from trajectory_diffuser.evaluation.latency import SteadyState, measure, timed
from trajectory_diffuser.evaluation.network_cost import network_cost, record_calls, repeat_calls
from trajectory_diffuser.planning.planner import Planner

DATA = np.arange(40.0)[:, None].repeat(STATE, axis=1)


def steady(batch=2, models=None, **row):
    return SteadyState(Planner(make_planner(models, **row), 10.0, seed=0), DATA, batch)


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


def test_a_policy_is_timed_beside_planners_with_one_call_per_decision():
    states = {"planner": steady(), "policy": SteadyState(make_policy(), DATA, 2)}
    rows = measure(states, 0, 2, CPU)
    assert rows["policy"].keys() == rows["planner"].keys()
    assert rows["policy"]["network_calls"] == 1
    layers = [(STATE + 1, 8), (8, 8), (8, ACTION)]
    assert rows["policy"]["flops"] == sum(matrix_product(2, *sizes) for sizes in layers)
    assert rows["policy"]["decisions_per_second"] == pytest.approx(1 / rows["policy"]["seconds_per_plan"])


def matrix_product(rows, inputs, outputs):
    return 2 * rows * inputs * outputs


def cost_of(state):
    return network_cost(record_calls(state.agent, state.whole_cycle))


def test_operations_are_those_of_the_matrix_products_and_of_attention():
    models, width, heads = make_models(), 16, 2
    passes, flops = cost_of(steady(1, models, refine_steps=0))
    expected = matrix_product(1, 2 * STATE, 8) + matrix_product(1, 8, ACTION)  # inverse dynamics
    for index in range(HORIZON - 1):
        tokens, keys = (HISTORY, HISTORY) if index == 0 else (1, HISTORY + index)
        expected += matrix_product(tokens, STATE + 1, width)
        for _ in models.transformer.blocks:
            expected += matrix_product(tokens, width, 3 * width) + matrix_product(tokens, width, width)
            expected += 2 * matrix_product(tokens, width, 2 * width)
            expected += heads * 2 * matrix_product(tokens, width // heads, keys)
        expected += matrix_product(tokens, width, STATE + 1)
    assert (passes, flops) == (HORIZON - 1 + 1, expected)


def test_a_second_guidance_branch_doubles_the_denoisers_operations():
    _, undenoised = cost_of(steady(1, refine_steps=0))
    flops = {guidance: cost_of(steady(1, guidance=guidance))[1] for guidance in (0.0, 1.0, 1.5)}
    assert flops[0.0] == flops[1.0] > undenoised
    assert flops[1.5] - undenoised == 2 * (flops[1.0] - undenoised)


def test_operations_are_counted_alike_whatever_computes():
    costs = []
    for runtime in ("torch", "openvino"):
        planner = make_planner(runtime=runtime, guidance=1.5, candidates=2, redraft_every=2)
        costs.append(cost_of(SteadyState(Planner(planner, 10.0, seed=0), DATA, 2)))
    assert costs[0] == costs[1]


def shapes(calls):
    return [(function, [each.shape for each in inputs]) for function, inputs in calls]


def test_repeated_calls_are_the_same_calls_and_nobody_records_any_more():
    state = steady(guidance=1.5, redraft_every=2)
    functions = list(state.agent.runtime.functions.values())
    before = [function.backend for function in functions]
    calls = record_calls(state.agent, state.whole_cycle)
    assert [function.backend for function in functions] == before
    again = []
    for function in functions:
        function.backend = remembering(function, again)
    repeat_calls(calls)
    assert shapes(again) == shapes(calls)
    assert {function.module.method for function, _ in calls} == {"draft", "denoise", "forward"}


def remembering(function, calls):
    backend = function.backend
    return lambda *inputs: calls.append((function, inputs)) or backend(*inputs)


def test_what_a_cycle_calls_first_is_recorded_too():
    planner = make_planner(redraft_every=2)
    assert [function.module.method for function in planner.runtime.functions.values()].count("draft") == 0
    agent = Planner(planner, 10.0, seed=0)
    calls = record_calls(agent, lambda: agent.reset() or agent.act(DATA[0]))
    assert [function.module.method for function, _ in calls].count("draft") == 1


def test_a_planner_is_timed_with_a_full_history_and_a_previous_plan():
    state = steady(batch=5, start="previous_plan", actions_per_plan=3)
    memory = state.agent.memory
    before = memory.tokens[:, :, 0]
    assert before.shape == (5, HISTORY)
    assert memory.padding == 0
    assert (before[:, 1:] - before[:, :-1] == 1).all()
    assert (before[1:] - before[:-1] == 1).all()
    assert memory.last_plan is not None
    assert [state.decide() for _ in range(6)] == [True, False, False] * 2


class Clock:
    """Time that passes where it is told to: a second for each forward pass, half for a decision.

    The first `slow` of them all take ten times as long, as they do where nothing is warm yet.
    """

    def __init__(self, state, slow=0):
        self.now, self.slow = 1000.0, slow
        for function in state.agent.runtime.functions.values():
            function.backend = self.taking(function.module, function.backend)
        state.agent.act = self.taking(None, state.agent.act)

    def taking(self, module, work):
        def timed(*inputs):
            seconds = 0.5
            if module is not None:
                denoises = module.method == "denoise"
                seconds = len(inputs[1]) - 1 if denoises else module.settings.get("length", 1)
            self.now += 10 * seconds if self.slow > 0 else seconds
            self.slow -= 1
            return work(*inputs)

        return timed


@pytest.mark.parametrize("slow", [0, 50])  # until half-way through the warm-up
def test_rates_and_times_fit_each_other(monkeypatch, slow):
    state = steady(batch=4, actions_per_plan=2, redraft_every=2)
    clock = Clock(state, slow)
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    row = measure({"x": state}, 1, 5, CPU)["x"]
    # A plan drafted from scratch, one with two states drafted, and a later action of each.
    scratch, carried, later = HORIZON - 1 + 3 + 1, 2 + 3 + 1, 1
    cycle, bare = scratch + carried + 2 * later + 4 * 0.5, scratch + carried + 2 * later
    assert row["seconds_per_plan"] == pytest.approx(cycle / 2)
    assert row["plans_per_second"] == pytest.approx(4 * 2 / cycle)  # of four environments
    assert row["decisions_per_second"] == pytest.approx(4 / cycle)
    assert row["network_seconds"] == pytest.approx(bare / 2)
    assert row["overhead"] == pytest.approx(cycle / bare)
    assert row["p50_seconds"] == pytest.approx((scratch + carried) / 2 + 0.5)  # of decisions with a new plan
    assert row["p95_seconds"] == pytest.approx(scratch + 0.5)
    assert row["network_calls"] == (scratch + carried + 2 * later) / 2


def test_work_is_timed_and_its_result_returned():
    seconds, result = timed(lambda: "done", CPU)
    assert 0 < seconds < 10
    assert result == "done"
