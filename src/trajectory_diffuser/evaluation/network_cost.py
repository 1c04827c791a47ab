"""What plans cost in their networks: forward passes, floating-point operations, time of the bare calls."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from trajectory_diffuser.planning.agent import Agent
from trajectory_diffuser.planning.runtime import Function

NetworkCall = tuple[Function, tuple[Tensor, ...]]


def record_calls(agent: Agent, decide: Callable[[], object]) -> list[NetworkCall]:
    """The network calls that `decide()` makes, in their order."""
    decide()  # functions that are compiled when they are first needed are there then
    calls: list[NetworkCall] = []
    backends = {function: function.backend for function in agent.runtime.functions.values()}

    def recording(function: Function) -> Callable[..., Tensor]:
        return lambda *inputs: calls.append((function, inputs)) or backends[function](*inputs)

    for function in backends:
        function.backend = recording(function)
    decide()
    for function, backend in backends.items():
        function.backend = backend
    return calls


@torch.inference_mode()
def repeat_calls(calls: list[NetworkCall]) -> None:
    """Make the same calls again and do nothing else: the time that no planner can do without."""
    for function, inputs in calls:
        function.backend(*inputs)


@torch.inference_mode()
def network_cost(calls: list[NetworkCall]) -> tuple[int, int]:
    """Forward passes, and floating-point operations of matrix products, convolutions and attention.

    Of the transformer a pass is one for the history and one per drafted token; a multiplication and an
    addition are two operations.
    """
    passes, flops = 0, 0
    counted: dict[tuple[Any, ...], int] = {}  # a chain makes the same call many times
    for function, inputs in calls:
        key = (function, *(each.shape for each in inputs))
        if key not in counted:
            with FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION) as counter:
                function.module.forward(*inputs)
            counted[key] = counter.get_total_flops()
        passes += _passes(function, inputs)
        flops += counted[key]
    return passes, flops


def _passes(function: Function, inputs: tuple[Tensor, ...]) -> int:
    """How often a call goes through its network."""
    if function.module.method == "denoise":
        return len(inputs[1]) - 1  # timesteps
    return function.module.settings.get("length", 1)


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


# torch counts attention on a GPU only.
_CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
