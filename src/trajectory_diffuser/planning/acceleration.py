"""How the same networks run faster: a layout of the weights, and, optionally, compiled or in bfloat16."""

from typing import Any

import torch
from torch import nn

from trajectory_diffuser.planning.models import PlanningModels


def accelerate(models: PlanningModels, settings: dict[str, Any], device: torch.device) -> None:
    """Prepare networks, in place, for planning as the section `planning` of the parameters asks for.

    On a CPU the weights of all four are laid out for single plans (not for bfloat16, which gains nothing by
    it). `compile` and `precision` concern transformer and denoiser: compiled ones give equal results to about
    1e-5, and each new batch size is compiled when it first comes.
    """
    denoiser = models.diffusion.network
    if settings["precision"] == "bfloat16":
        for network in (models.transformer, denoiser, denoiser.condition):
            network.forward = torch.autocast(device.type, torch.bfloat16)(network.forward)
            for layer in _linear_layers(network):  # once, instead of at every call
                layer.to(torch.bfloat16)
    elif device.type == "cpu":
        for network in (models.transformer, denoiser, models.inverse_dynamics, models.value):
            _lay_out_for_few_rows(network)
    if settings["compile"]:
        # On a CPU, calling the kernels from C++ halves the time of networks as small as these. On a GPU CUDA
        # graphs do it; the transformer has none, because it writes to the cache that it is given.
        on_cpu = device.type == "cpu"
        choices = {
            models.transformer: {"cpp_wrapper": True} if on_cpu else None,
            denoiser: {"cpp_wrapper": True} if on_cpu else {"triton.cudagraphs": True},
        }
        for network, options in choices.items():
            # Isolated: otherwise the networks of all horizons and sizes share one limit of recompilations.
            network.compile(options=options, isolate_recompiles=True)


def _lay_out_for_few_rows(network: nn.Module) -> None:
    """Turn the weights of linear layers around in memory, in place; their shapes and values stay.

    Products of few rows, as in a single plan, took up to a third less time so on an Intel Xeon, those of many
    rows as much as before.
    """
    for layer in _linear_layers(network):
        layer.weight.data = layer.weight.data.t().contiguous().t()


def _linear_layers(network: nn.Module) -> list[nn.Linear]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
