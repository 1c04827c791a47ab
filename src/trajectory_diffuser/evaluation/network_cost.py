"""What plans cost in their networks: forward passes, floating-point operations, time of the bare calls."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from trajectory_diffuser.models.causal_transformer import KeyValueCache
from trajectory_diffuser.planning.models import PlanningModels


@dataclass(frozen=True)
class NetworkCall:
    """One forward pass: which network, with what, and the tokens in its cache (None without a cache)."""

    name: str
    network: nn.Module
    arguments: tuple[Any, ...]
    past: int | None


@dataclass(frozen=True)
class NetworkCost:
    """Of some decisions.

    Attributes:
        calls: forward passes per network; the denoiser's condition, computed once per plan, is none.
        flops: floating-point operations of matrix products and attention per network, of which a
            multiplication and an addition are two; the denoiser's include its condition.
    """

    calls: dict[str, int]
    flops: dict[str, int]


def record_calls(models: PlanningModels, decide: Callable[[], object]) -> list[NetworkCall]:
    """The network calls that `decide()` makes, in their order."""
    networks = {
        "transformer": models.transformer,
        "condition": models.diffusion.network.condition,
        "denoiser": models.diffusion.network,
        "inverse_dynamics": models.inverse_dynamics,
        "value": models.value,
    }
    calls: list[NetworkCall] = []

    def note(name: str, network: nn.Module, arguments: tuple[Any, ...]) -> None:
        cache = _cache(arguments)
        calls.append(NetworkCall(name, network, arguments, None if cache is None else cache.length))

    # A hook would have a compiled network compiled again.
    with ExitStack() as stack, torch.compiler.set_stance("force_eager"):
        for name, network in networks.items():
            hook = network.register_forward_pre_hook(partial(note, name))
            stack.callback(hook.remove)
        decide()
    return calls


@torch.inference_mode()
def repeat_calls(calls: list[NetworkCall]) -> None:
    """Make the same forward passes again and do nothing else: the time that no planner can do without."""
    for call in calls:
        if call.past is not None:
            _cache(call.arguments).length = call.past
        call.network(*call.arguments)


def _cache(arguments: tuple[Any, ...]) -> KeyValueCache | None:
    return next((argument for argument in arguments if isinstance(argument, KeyValueCache)), None)


@torch.inference_mode()
def network_cost(calls: list[NetworkCall]) -> NetworkCost:
    """Count forward passes and operations."""
    passes: dict[str, int] = {}
    flops: dict[str, int] = {}
    counted: dict[tuple[Any, ...], int] = {}  # a chain makes the same call many times
    for call in calls:
        shapes = tuple(tuple(each.shape) for each in call.arguments if isinstance(each, Tensor))
        key = (call.name, call.past, shapes)
        if key not in counted:
            counter = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
            with torch.compiler.set_stance("force_eager"), counter:
                repeat_calls([call])
            counted[key] = counter.get_total_flops()
        network = "denoiser" if call.name == "condition" else call.name
        passes[network] = passes.get(network, 0) + (call.name != "condition")
        flops[network] = flops.get(network, 0) + counted[key]
    return NetworkCost(passes, flops)


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


# torch counts attention on a GPU only.
_CPU_ATTENTION = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}
