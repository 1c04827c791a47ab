"""What networks run on: torch, or OpenVINO, which is several times faster on a CPU."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.planning.onnx_graph import of_batch, onnx_of

Outputs = Tensor | tuple[Tensor, ...]
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

    def compile(self, network: nn.Module, method: str = "forward", **settings: Any) -> "Function":
        """A network's method, with some arguments settled, as a function of the others; always the same."""
        key = (network, method, *settings.items())
        if key not in self.functions:
            module = Method(network, method, settings).eval()
            self.functions[key] = Function(module, self._backend(module))
        return self.functions[key]

    def _backend(self, module: "Method") -> Callable[..., Outputs]:
        if self.name == "openvino":
            return OpenVINO(module, self.precision)
        function = torch.autocast(self.device.type, torch.bfloat16, self.precision == "bfloat16")(module)
        if not self.cuda_graphs:
            return function
        # Isolated: otherwise all functions share one limit of recompilations, and run eagerly beyond it.
        module.compile(mode="reduce-overhead", isolate_recompiles=True)
        # Copied, because a CUDA graph leaves its outputs where the next run puts its own.
        return lambda *inputs: tree_map(torch.clone, function(*inputs))


class Method(nn.Module):
    """A method of a network as a network of its own."""

    def __init__(self, network: nn.Module, method: str, settings: dict[str, Any]) -> None:
        super().__init__()
        self.network, self.method, self.settings = network, method, settings

    def forward(self, *inputs: Tensor) -> Outputs:
        """What the method returns, in float32 whatever the arithmetic was in."""
        outputs = getattr(self.network, self.method)(*inputs, **self.settings)
        return tuple(each.float() for each in outputs) if isinstance(outputs, tuple) else outputs.float()


class Function:
    """What `Runtime.compile` makes: numbers [B, ...], and integers that all of a batch share.

    Attributes:
        module: computes the same, in torch.
        calls: the inputs of every call, where somebody wants them: a list to add to, or None.
    """

    def __init__(self, module: Method, backend: Callable[..., Outputs]) -> None:
        self.module, self.backend = module, backend
        self.calls: list[tuple[Function, tuple[Tensor, ...]]] | None = None

    def __call__(self, *inputs: Tensor) -> Outputs:
        """One tensor or several, as the module returns them."""
        if self.calls is not None:
            self.calls.append((self, inputs))
        return self.backend(*inputs)


class OpenVINO:
    """A network compiled for each shape that comes, but for a batch of more than half of one it has already.

    Batches shrink as episodes end; the missing rows are whatever stands there, and their results are dropped.
    """

    def __init__(self, network: nn.Module, precision: str) -> None:
        self.network, self.precision = network, precision
        self.models: dict[tuple[torch.Size, ...], Any] = {}  # by the inputs' shapes without their batch
        self.sizes: dict[tuple[torch.Size, ...], dict[int, Any]] = {}  # the same, then by batch
        self.ready: dict[tuple[torch.Size, ...], tuple[Any, list[np.ndarray], list[np.ndarray]]] = {}

    def __call__(self, *inputs: Tensor) -> Outputs:
        """The network's outputs, equal to torch's but for rounding."""
        shapes = tuple([each.shape for each in inputs])
        if shapes not in self.ready:
            self.ready[shapes] = self._prepare(inputs)
        request, places, results = self.ready[shapes]
        for place, value in zip(places, inputs, strict=True):
            np.copyto(place, value.numpy())
        request.infer()
        outputs = [torch.from_numpy(result.copy()) for result in results]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _prepare(self, inputs: tuple[Tensor, ...]) -> tuple[Any, list[np.ndarray], list[np.ndarray]]:
        """A request for a batch like this, where its inputs go and where its outputs will be."""
        batch = next(len(each) for each in inputs if of_batch(each))
        shapes = tuple(each.shape[of_batch(each) :] for each in inputs)
        sizes = self.sizes.setdefault(shapes, {})
        size = min((size for size in sizes if batch <= size < 2 * batch), default=batch)
        if size not in sizes:
            if shapes not in self.models:
                self.models[shapes] = _openvino().Core().read_model(onnx_of(self.network, inputs))
            model = self.models[shapes].clone()
            wanted = [
                [size] * of_batch(each) + list(shape) for each, shape in zip(inputs, shapes, strict=True)
            ]
            model.reshape(dict(zip(model.inputs, wanted, strict=True)))
            sizes[size] = self._compiled(model).create_infer_request()
        places = [place.data for place in sizes[size].input_tensors]
        places = [
            place[:batch] if of_batch(each) else place for place, each in zip(places, inputs, strict=True)
        ]
        return sizes[size], places, [each.data[:batch] for each in sizes[size].output_tensors]

    def _compiled(self, model: Any) -> Any:
        options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # several jobs share a machine
        }
        return _openvino().Core().compile_model(model, "CPU", options)


def _openvino() -> Any:
    # Importing OpenVINO would report to its makers; it does without where this package is not to be had.
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino
