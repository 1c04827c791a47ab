"""Scores that can be compared across tasks."""

import numpy as np


def normalised_score(returns: np.ndarray, minimum: float, maximum: float) -> np.ndarray:
    """100 (R - minimum) / (maximum - minimum), elementwise (D4RL, arXiv 2004.07219, section 5)."""
    return 100 * (returns - minimum) / (maximum - minimum)
