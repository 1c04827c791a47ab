"""Means over training seeds with intervals, Holm's correction, and rliable's measures over tasks.

A training seed is one sample: episodes are averaged within it first, and every interval is over seeds, by
Student's t. (A bootstrap of few seeds is too narrow: at two, a nominal 95 % may cover 57 %.)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan, sqrt

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Estimate:
    """A mean over training seeds and its standard error (NaN with one seed)."""

    mean: float
    error: float
    seeds: int

    def interval(self, confidence: float) -> tuple[float, float]:
        """Student's t interval with `seeds` - 1 degrees of freedom; NaN, NaN with one seed."""
        half = self.error * stats.t.ppf((1.0 + confidence) / 2.0, self.seeds - 1)
        return float(self.mean - half), float(self.mean + half)

    def p_value(self, null: float) -> float:
        """Two-sided p-value of "the true mean is `null`": p <= a where the interval at 1 - a leaves it out.

        1 with one seed.
        """
        distance = abs(self.mean - null)
        if self.seeds == 1 or distance == 0:
            return 1.0
        return float(2.0 * stats.t.sf(distance / self.error, self.seeds - 1)) if self.error else 0.0


def seed_estimate(groups: Sequence[Sequence[np.ndarray]]) -> Estimate:
    """The mean over seeds of the mean over tasks of episode means.

    `groups[seed][task]` are the values of episodes, [episodes]. All seeds are judged on the same starts: the
    interval speaks of further trainings, not of other starts.
    """
    means = np.array([np.mean([values.mean() for values in tasks]) for tasks in groups])  # [seeds]
    error = means.std(ddof=1) / sqrt(len(means)) if len(means) > 1 else nan
    return Estimate(float(means.mean()), float(error), len(means))


def difference_estimate(groups: Sequence[Sequence[np.ndarray]]) -> Estimate:
    """`seed_estimate` of paired differences, with an error no less than the spread of episodes alone gives.

    Two seeds may agree by chance, and where scores are a success or none they often do: without this, a tenth
    of all comparisons of equals would seem decided. On normal data the interval then covers at least what it
    says, and where seeds differ more than episodes do it covers just that.
    """
    estimate = seed_estimate(groups)
    if estimate.seeds == 1:
        return estimate
    variances = [
        sum(values.var(ddof=1) / len(values) for values in tasks if len(values) > 1) / len(tasks) ** 2
        for tasks in groups
    ]
    return replace(estimate, error=max(estimate.error, sqrt(np.mean(variances) / estimate.seeds)))


def holm_divisors(p_values: Sequence[float], alpha: float) -> list[int]:
    """By how much Holm's step-down correction (Holm 1979) divides `alpha` for each of a family's tests.

    The smallest of n p-values is compared with alpha / n, the next with alpha / (n - 1), up to the first
    that is above; those after it with what that one was. An interval at 1 - alpha / divisor so leaves its
    null out exactly where Holm rejects.
    """
    divisors, rejecting = [0] * len(p_values), True
    divisor = len(p_values) + 1
    for index in np.argsort(p_values, kind="stable"):
        if rejecting:
            divisor -= 1
            rejecting = p_values[index] <= alpha / divisor
        divisors[index] = divisor
    return divisors


def interquartile_mean(runs: np.ndarray) -> float:
    """Mean of the middle half of all runs [seeds, tasks] (Agarwal et al., arXiv 2108.13264, section 4.3)."""
    return float(stats.trim_mean(runs, 0.25, axis=None))


def probability_of_improvement(runs: np.ndarray, others: np.ndarray) -> float:
    """How probably a run of `runs` beats one of `others`, [seeds, tasks] each; a tie counts half.

    The mean over tasks (Agarwal et al., arXiv 2108.13264, section 4.3).
    """
    wins = np.sign(runs[:, None] - others[None])  # [seeds, seeds, tasks]
    return float((wins.mean() + 1.0) / 2.0)


def performance_profile(runs: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The fraction of all runs [seeds, tasks] above each threshold [n] (Agarwal et al., section 4.2)."""
    return (runs.ravel()[None] > thresholds[:, None]).mean(axis=1)
