"""Scores that can be compared across tasks."""

import numpy as np

from trajectory_diffuser.common.errors import UserError


def normalised_score(
    returns: np.ndarray, minimum: float, maximum: float, seeds: np.ndarray | None = None
) -> np.ndarray:
    """100 (R - minimum) / (maximum - minimum), elementwise (D4RL, arXiv 2004.07219, section 5).

    Raises `UserError` where that is no finite number; it names the environment's seed if `seeds` has them.
    """
    with np.errstate(over="ignore"):
        scores = 100 * (returns - minimum) / (maximum - minimum)
    bad = ~np.isfinite(scores)
    if bad.any():
        where = "" if seeds is None else f"environment seed {seeds[bad][0]}: "
        scale = f"{minimum:g} (0) and {maximum:g} (100)"
        raise UserError(f"{where}a return of {returns[bad][0]:g} has no score between {scale}")
    return scores
