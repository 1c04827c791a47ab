"""What training leaves behind: weights, kept weights, curves, and what the curves warn of."""

from dataclasses import dataclass, field

from torch import Tensor, nn

# Validation loss this much above its best, at the end, counts as overfitting.
OVERFITTING_RATIO = 1.1
# A second half of the steps that lowers the validation loss by more than this share was not enough. Half, not
# the last quarter: a cosine has done 97 % of its learning by then, and every loss is flat.
UNDERTRAINING_FALL = 0.1

CurveRow = dict[str, float | None]


@dataclass
class KeptWeights:
    """The averaged weights at a moment of a training: the share of its steps, their number, the seconds."""

    fraction: float
    step: int
    seconds: float
    model: nn.Module


@dataclass
class TrainingResult:
    """What a training has made.

    Attributes:
        model: has the averaged weights.
        curves: one row (a dict) per logged interval.
        kept: the averaged weights of earlier moments, in order.
        seconds: spent, those before a resumption too.
        window: losses and gradient norms of the steps since the last row, on the device.
    """

    model: nn.Module
    curves: list[CurveRow] = field(default_factory=list)
    kept: list[KeptWeights] = field(default_factory=list)
    seconds: float = 0.0
    window: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def validated(self) -> list[CurveRow]:
        """The rows that have a validation loss."""
        return [row for row in self.curves if row["validation_loss"] is not None]

    def overfitting_warning(self) -> str | None:
        """One sentence if the validation loss has risen well above its best, else None."""
        if len(self.validated) < 2:
            return None
        best, last = _best(self.validated), self.validated[-1]
        if last["validation_loss"] <= OVERFITTING_RATIO * best["validation_loss"]:
            return None
        return (
            f"validation loss rose from {best['validation_loss']:.4g} at step {best['step']} to "
            f"{last['validation_loss']:.4g} at step {last['step']}: fewer steps, more data or more dropout"
        )

    def undertraining_warning(self) -> str | None:
        """One sentence if the second half of the steps still lowered the validation loss well, else None.

        Compared are the last loss and the best of the first half. That the best step is the last one says
        little by itself: as the learning rate goes to zero, it is so on a flat curve too.
        """
        if not self.validated:
            return None
        last = self.validated[-1]
        first_half = [row for row in self.validated if 2 * row["step"] <= last["step"]]
        if not first_half:
            return None
        best = _best(first_half)
        fall = 1 - last["validation_loss"] / best["validation_loss"]
        if fall <= UNDERTRAINING_FALL:
            return None
        return (
            f"validation loss fell by {fall:.0%} over the second half of the steps, from "
            f"{best['validation_loss']:.4g} at step {best['step']} to {last['validation_loss']:.4g} at step "
            f"{last['step']}: more steps"
        )


def _best(rows: list[CurveRow]) -> CurveRow:
    return min(rows, key=lambda row: row["validation_loss"])
