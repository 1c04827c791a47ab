"""The training loop that all models share: reproducible to the bit, also when it was killed and resumed.

A small network's step takes two milliseconds, so what surrounds it (seeds, clipping, averaging) is kept lean:
`benchmarks/training.py` compares a whole step with a bare one.
"""

import copy
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.progress import drawing_interval
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.computing.stopping import postponed_signals
from trajectory_diffuser.training.checkpoint import Checkpoint
from trajectory_diffuser.training.flat_weights import flatten_weights
from trajectory_diffuser.training.result import CurveRow, KeptWeights, TrainingResult

CURVE_POINTS = 50
# A validation takes this share of the batches trained on since the last one, at a third of their price.
VALIDATION_SHARE = 0.05

Loss = Callable[[nn.Module, str], Tensor]


class Diverged(UserError):
    """A loss or gradient that is no number any more."""


def learning_rate_factor(step: int, steps: int, warmup_steps: int) -> float:
    """Share of the peak learning rate at a step: a linear warm-up, then a cosine to zero."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(steps - warmup_steps, 1)))


def train(
    model: nn.Module,
    loss: Loss,
    settings: dict[str, Any],
    seed: int,
    checkpoint: Checkpoint | None,
    log: Callable[[CurveRow], None],
    validate: bool,
    title: str,
) -> TrainingResult:
    """Minimise `loss(model, split)`, where split is `train` or `validation`, for `settings["steps"]` steps.

    Everything random in step n (batch, noise, dropout) comes from a seed that is a function of `seed` and n
    alone, so that a resumed run continues exactly where the killed one stood. SIGTERM and SIGINT wait for the
    end of a step, and for the checkpoint that is then saved.

    Args:
        model: initialised, on its device.
        loss: draws a batch of the split and returns the scalar loss; uses torch's global random state only.
        settings: the stage's section of the parameters.
        seed: seed of this training run.
        checkpoint: where to resume from and to save to; None where a killed training begins anew.
        log: receives every row of the curves, those from before a resumption too.
        validate: whether there is a validation split.
        title: what the progress bar calls it.

    Raises:
        Diverged: the loss or the gradient became NaN or infinite.
    """
    steps = settings["steps"]
    averaged = copy.deepcopy(model).eval()
    weights = flatten_weights(model, gradients=True)
    average = flatten_weights(averaged, gradients=False)
    gradient = weights.grad
    assert gradient is not None
    optimiser = torch.optim.AdamW(
        [weights], lr=settings["learning_rate"], weight_decay=settings["weight_decay"], fused=True
    )
    result = TrainingResult(averaged)
    first = checkpoint.load(result, model, optimiser) if checkpoint else 0
    started = time.perf_counter() - result.seconds
    for row in result.curves:
        log(row)
    interval = max(1, steps // CURVE_POINTS)
    validation_batches = max(1, round(VALIDATION_SHARE * min(settings["validate_every"], steps)))
    keep = {fraction: max(1, round(fraction * steps)) for fraction in settings["keep_at"]}
    model.train()
    bar = {"initial": first, "mininterval": drawing_interval(), "unit": "step"}
    progress = tqdm(range(first, steps), title, steps, **bar)
    with postponed_signals() as signals:
        for step in progress:
            learning_rate = settings["learning_rate"] * learning_rate_factor(
                step, steps, settings["warmup_steps"]
            )
            for group in optimiser.param_groups:
                group["lr"] = learning_rate
            _seed(batch_seed(seed, step), weights.device)
            value = loss(model, "train")
            gradient.zero_()
            value.backward()
            norm = _clip(gradient, settings["gradient_clip"])
            optimiser.step()
            share = 1 - settings["ema_decay"] if step else 1.0
            average.lerp_(weights.detach(), share)  # buffers are constants
            result.window.append((value.detach(), norm))

            done = step + 1
            for fraction in [each for each, moment in keep.items() if moment == done]:
                seconds = time.perf_counter() - started
                result.kept.append(KeptWeights(fraction, done, seconds, copy.deepcopy(averaged)))
            validating = done % settings["validate_every"] == 0 or done == steps
            saving = done % settings["checkpoint_every"] == 0 or done == steps
            stopping = bool(signals)
            logging = done % interval == 0 or validating or saving
            if logging or stopping:  # looks at the losses, so that no bad weights are saved
                row = _curve_row(result.window, done, learning_rate, seed)
            if logging:
                result.window.clear()
                if validate and validating:
                    row["validation_loss"] = _validation_loss(averaged, loss, seed, validation_batches)
                result.curves.append(row)
                log(row)
                progress.set_postfix(loss=f"{row['train_loss']:.4g}", refresh=False)
                if validating and (warning := result.overfitting_warning()):
                    progress.write(f"warning: {title}: {warning}", file=sys.stderr)
            if checkpoint and (stopping or saving):
                result.seconds = time.perf_counter() - started
                checkpoint.save(done, result, model, optimiser)
            if stopping:
                how = "saved" if checkpoint else "ended"
                progress.write(f"{title}: told to stop; {how} after {done} of {steps} steps", file=sys.stderr)
                break
    result.seconds = time.perf_counter() - started
    if warning := result.undertraining_warning():
        print(f"warning: {title}: {warning}", file=sys.stderr)
    return result


def batch_seed(seed: int, step: int) -> int:
    """The seed of everything random in one optimiser step."""
    return derive_seed("batch", seed, step)


def _seed(seed: int, device: torch.device) -> None:
    """What `torch.manual_seed` does for a CPU and this device, without its slow look at every other kind."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)


def _clip(gradient: Tensor, largest: float) -> Tensor:
    """Scale the gradient, in place, to a norm of at most `largest`; its norm before."""
    norm = torch.linalg.vector_norm(gradient)
    gradient.div_((norm / largest).clamp_(min=1.0))
    return norm


def _curve_row(window: list[tuple[Tensor, Tensor]], done: int, learning_rate: float, seed: int) -> CurveRow:
    losses, norms = (torch.stack(column).cpu() for column in zip(*window, strict=True))
    bad = ~(losses.isfinite() & norms.isfinite())
    if bad.any():
        step = done - len(window) + int(bad.nonzero()[0])
        loss, norm = float(losses[step - done]), float(norms[step - done])
        raise Diverged(
            f"training: loss or gradient is {loss:g} / {norm:g} at step {step} "
            f"(batch seed {batch_seed(seed, step)}); try a lower learning_rate, a lower gradient_clip "
            f"or more warmup_steps"
        )
    return {
        "step": done,
        "train_loss": float(losses.mean()),
        "validation_loss": None,
        "learning_rate": learning_rate,
        "gradient_norm": float(norms.mean()),
    }


def _validation_loss(model: nn.Module, loss: Loss, seed: int, batches: int) -> float:
    """The averaged model's mean loss over so many batches, the same ones, with the same noise, every time."""
    values = []
    with torch.inference_mode():
        for index in range(batches):
            torch.manual_seed(derive_seed("validation", seed, index))
            values.append(float(loss(model, "validation")))
    return sum(values) / len(values)
