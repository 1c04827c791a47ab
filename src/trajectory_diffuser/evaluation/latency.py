"""How long decisions and plans take: agents side by side, interleaved, in the middle of an episode."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from trajectory_diffuser.evaluation.network_cost import network_cost, record_calls, repeat_calls
from trajectory_diffuser.planning.agent import Agent

WARM_SECONDS = 0.05  # of decisions before each that is timed; beyond it, times stay what they are


class SteadyState:
    """An agent in the middle of episodes: the history is full, and there is a previous plan if it plans.

    Args:
        agent: a fresh one.
        observations: consecutive observations of the data [N, obs]; environment b begins at the b-th.
        batch: environments to decide for at once.
    """

    def __init__(self, agent: Agent, observations: np.ndarray, batch: int) -> None:
        self.agent = agent
        self.cycle, self.plans = agent.cycle
        rows = np.arange(batch)
        self.observations = [
            observations[(rows + step) % len(observations)] for step in range(len(observations))
        ]
        self.step = 0
        self.batch = batch
        for _ in range(agent.units.steps_read - 1):
            agent.observe(self._next(), 0.0)
        self.whole_cycle()

    def decide(self) -> bool:
        """Take one decision for every environment; whether it took a new plan, or none at all."""
        self.agent.act(self._next(), 0.0)
        return self.agent.memory.plan_age == 0

    def _next(self) -> np.ndarray:
        self.step += 1
        return self.observations[self.step % len(self.observations)]

    def whole_cycle(self) -> None:
        """Take as many decisions as there are in a cycle."""
        for _ in range(self.cycle):
            self.decide()


def measure(
    agents: dict[str, SteadyState], warmup: int, repetitions: int, device: torch.device
) -> dict[str, dict[str, Any]]:
    """Time agents against each other and against their own bare network calls.

    Args:
        agents: what to measure.
        warmup: unmeasured rounds before the clock starts.
        repetitions: timed rounds; in each, every agent goes through cycles of decisions untimed, through one
            timed, and then makes the same network calls again without anything else, untimed and timed.
        device: of the networks.

    Returns:
        Per agent: `p50_seconds` and `p95_seconds` of a decision that takes a new plan (for all environments
        at once, with everything from an observation to an action); averaged over a cycle, the decisions
        without a new plan included, `seconds_per_plan`, `plans_per_second` (of all environments),
        `decisions_per_second` (of each), `network_calls`, `flops` and `network_seconds` per plan; `overhead`
        is the time over that of the bare calls. Where nothing is planned a decision counts as a plan.
    """
    calls = {name: record_calls(state.agent, state.whole_cycle) for name, state in agents.items()}
    plans: dict[str, list[float]] = {name: [] for name in agents}
    cycles: dict[str, list[float]] = {name: [] for name in agents}
    bare: dict[str, list[float]] = {name: [] for name in agents}
    for round_ in range(warmup + repetitions):
        for name, state in agents.items():
            _warm(state)
            decisions = [timed(state.decide, device) for _ in range(state.cycle)]
            repeat_calls(calls[name])
            again, _ = timed(lambda name=name: repeat_calls(calls[name]), device)
            if round_ >= warmup:
                plans[name] += [seconds for seconds, planned in decisions if planned]
                cycles[name].append(sum(seconds for seconds, _ in decisions))
                bare[name].append(again)
    rows = {}
    for name, state in agents.items():
        per_cycle = state.plans
        p50, p95 = np.quantile(plans[name], [0.5, 0.95])
        cycle = float(np.median(cycles[name]))
        passes, flops = network_cost(calls[name])
        rows[name] = {
            "p50_seconds": p50,
            "p95_seconds": p95,
            "seconds_per_plan": cycle / per_cycle,
            "plans_per_second": state.batch * per_cycle / cycle,
            "decisions_per_second": state.cycle / cycle,
            "network_calls": passes / per_cycle,
            "flops": flops / per_cycle,
            "network_seconds": float(np.median(bare[name])) / per_cycle,
            "overhead": float(np.median(np.divide(cycles[name], bare[name]))),
        }
    return rows


def _warm(state: SteadyState) -> None:
    """Decide until its own code and weights are at hand again, as when it controls alone."""
    began = time.perf_counter()
    state.whole_cycle()
    while time.perf_counter() - began < WARM_SECONDS:
        state.whole_cycle()


def timed(work: Callable[[], Any], device: torch.device) -> tuple[float, Any]:
    """Seconds until the device has done its work, and what it returned."""
    _synchronise(device)
    started = time.perf_counter()
    result = work()
    _synchronise(device)
    return time.perf_counter() - started, result


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
