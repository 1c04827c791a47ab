"""Networks as ONNX."""

import io
import warnings

import torch
from torch import Tensor, nn


def onnx_of(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    names: list[str] | None = None,
    output_names: list[str] | None = None,
) -> bytes:
    """A network as ONNX, with any batch: the first dimension of inputs but integers, and of all outputs."""
    names = names or [f"input{index}" for index in range(len(inputs))]
    # Twice the batch, because a batch of one would be taken for a constant.
    example = tuple(torch.cat([each, each]) if of_batch(each) else each for each in inputs)
    batches = {name: {0: f"{name}_batch"} for name, each in zip(names, inputs, strict=True) if of_batch(each)}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        # The older exporter: it traces in a tenth of the newer one's time.
        torch.onnx.export(
            network,
            example,
            file,
            input_names=names,
            output_names=output_names,
            dynamic_axes=batches,
            opset_version=18,
            dynamo=False,
            do_constant_folding=False,  # it would copy a weight for each of its uses
        )
    return file.getvalue()


def of_batch(value: Tensor) -> bool:
    """Whether an input has a row for each of a batch; integers (steps, counts) hold for all of it."""
    return value.is_floating_point()
