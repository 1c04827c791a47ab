"""Scores that can be compared across tasks."""

import numpy as np

from trajectory_diffuser.common.errors import UserError


def normalised_score(returns: np.ndarray, minimum: float, maximum: float) -> np.ndarray:
    """100 (R - minimum) / (maximum - minimum), elementwise (D4RL, arXiv 2004.07219, section 5).

    Raises `UserError` where that is no finite number.
    """
    with np.errstate(over="ignore"):
        scores = 100 * (returns - minimum) / (maximum - minimum)
    if not np.isfinite(scores).all():
        first = returns[~np.isfinite(scores)][0]
        raise UserError(f"a return of {first:g} has no score between {minimum:g} (0) and {maximum:g} (100)")
    return scores
