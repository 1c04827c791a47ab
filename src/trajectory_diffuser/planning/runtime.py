"""What networks run on: torch, or OpenVINO, which is several times faster on a CPU."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.planning.onnx_graph import of_batch, onnx_of

RUNTIMES = ("auto", "torch", "openvino")
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}  # as OpenVINO calls them


class Runtime:
    """Turns methods of networks into functions of tensors, each once.

    Args:
        name: `torch`, `openvino`, or `auto`: OpenVINO on a CPU, on a GPU torch compiled, with CUDA graphs.
        precision: `float32` or `bfloat16`, of the arithmetic; weights and results are float32.
        device: of the networks.

    Raises:
        UserError: unknown name or precision, or OpenVINO is asked for on a GPU.
    """

    def __init__(self, name: str, precision: str, device: torch.device) -> None:
        for key, value, known in (("runtime", name, RUNTIMES), ("precision", precision, PRECISIONS)):
            if value not in known:
                raise UserError(f"planning.{key}: {value!r} is unknown; one of: {', '.join(known)}")
        if name == "openvino" and device.type != "cpu":
            raise UserError("planning.runtime: openvino computes on a CPU here; use torch or auto on a GPU")
        self.name = ("openvino" if device.type == "cpu" else "torch") if name == "auto" else name
        self.precision, self.device = precision, device
        self.cuda_graphs = name == "auto" and device.type == "cuda"
        self.functions: dict[tuple[Any, ...], Function] = {}

    @classmethod
    def from_params(cls, params: dict[str, Any], device: torch.device) -> "Runtime":
        """The one that params.yaml asks for under `planning`."""
        return cls(params["planning"]["runtime"], params["planning"]["precision"], device)

    def compile(self, network: nn.Module, method: str = "forward", **settings: Any) -> "Function":
        """A network's method, with some arguments settled, as a function of the others.

        The same arguments give the same function.
        """
        key = (network, method, *settings.items())
        if key not in self.functions:
            module = Method(network, method, settings).eval()
            self.functions[key] = Function(module, self._backend(module))
        return self.functions[key]

    def copy(self) -> "Runtime":
        """One that has what this one has compiled, and keeps what it compiles from now on for itself."""
        other = Runtime(self.name, self.precision, self.device)
        other.cuda_graphs, other.functions = self.cuda_graphs, dict(self.functions)
        return other

    def _backend(self, module: "Method") -> Callable[..., Tensor]:
        if self.name == "openvino":
            return OpenVINO(module, self.precision)
        function = torch.autocast(self.device.type, torch.bfloat16, self.precision == "bfloat16")(module)
        if not self.cuda_graphs:
            return function
        # Isolated: otherwise all functions share one limit of recompilations, and run eagerly beyond it.
        module.compile(mode="reduce-overhead", isolate_recompiles=True)
        # Copied, because a CUDA graph leaves its output where the next run puts its own.
        return lambda *inputs: function(*inputs).clone()


class Method(nn.Module):
    """A method of a network as a network of its own."""

    def __init__(self, network: nn.Module, method: str, settings: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.method, self.settings = network, method, settings

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the method returns, in float32 whatever the arithmetic was in."""
        return getattr(self.network, self.method)(*inputs, **self.settings).float()


@dataclass(eq=False)
class Function:
    """What `Runtime.compile` makes; takes numbers [B, ...], and integers that all of a batch share.

    `backend` computes what `module` does in torch.
    """

    module: Method
    backend: Callable[..., Tensor]

    def __call__(self, *inputs: Tensor) -> Tensor:
        """What the method returns for these."""
        return self.backend(*inputs)


class OpenVINO:
    """A network compiled once for each shape of its inputs, on a CPU.

    A batch that is smaller than a compiled one, but more than half of it, goes through that: batches shrink
    as episodes end. The missing rows are whatever stands there, and their results are dropped.
    """

    def __init__(self, network: nn.Module, precision: str) -> None:
        self.network, self.precision = network, precision
        self.models: dict[tuple[torch.Size, ...], Any] = {}  # by the inputs' shapes without their batch
        self.requests: dict[tuple[torch.Size, ...], dict[int, Any]] = {}  # the same, then by batch
        self.ready: dict[tuple[torch.Size, ...], tuple[Any, list[np.ndarray], np.ndarray]] = {}

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The network's output, equal to torch's but for rounding."""
        shapes = tuple([each.shape for each in inputs])
        if shapes not in self.ready:
            self.ready[shapes] = self._prepare(inputs)
        request, places, result = self.ready[shapes]
        for place, value in zip(places, inputs, strict=True):
            np.copyto(place, value.numpy())
        request.infer(share_outputs=True)
        return torch.from_numpy(result.copy())

    def _prepare(self, inputs: tuple[Tensor, ...]) -> tuple[Any, list[np.ndarray], np.ndarray]:
        """A request for a batch like this, where its inputs go and where its output will be."""
        batch = next(len(each) for each in inputs if of_batch(each))
        shapes = tuple(each.shape[of_batch(each) :] for each in inputs)
        requests = self.requests.setdefault(shapes, {})
        size = min((size for size in requests if batch <= size < 2 * batch), default=batch)
        if size not in requests:
            if shapes not in self.models:
                self.models[shapes] = _core().read_model(onnx_of(self.network, inputs))
            model = self.models[shapes].clone()
            wanted = [[size, *each.shape[1:]] if of_batch(each) else [*each.shape] for each in inputs]
            model.reshape(dict(zip(model.inputs, wanted, strict=True)))
            requests[size] = self._compiled(model).create_infer_request()
        places = [place.data for place in requests[size].input_tensors]
        places = [
            place[:batch] if of_batch(each) else place for place, each in zip(places, inputs, strict=True)
        ]
        return requests[size], places, requests[size].output_tensors[0].data[:batch]

    def _compiled(self, model: Any) -> Any:
        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # several jobs share a machine
        }
        return _core().compile_model(model, "CPU", options)


@cache
def _core() -> Any:
    # One for the process. Each would give signals a stack of its own (where the processor has AMX), and of
    # several that go, one leaves them on memory that is no longer there: the next signal ends the process.
    #
    # Importing OpenVINO would report to its makers; it does without where this package is not to be had.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino.Core()
