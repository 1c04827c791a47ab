"""Intervals, corrections and measures over tasks, against independent truths."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from trajectory_diffuser.reporting.statistics import (
    Estimate,
    difference_estimate,
    holm_divisors,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    seed_estimate,
)

# Scores [seeds, tasks].
ONE = np.array([[10.0, 52, 91], [14, 48, 99], [22, 48, 97], [8, 71, 95]])
OTHER = np.array([[12.0, 52, 88], [9, 45, 99], [22, 60, 80]])


def two_level(generator, seeds, between, within=5.0, tasks=1, episodes=10):
    """Episodes of several seeds around 0: groups[seed][task]."""
    return [
        [generator.normal(generator.normal(0, between), within, episodes) for _ in range(tasks)]
        for _ in range(seeds)
    ]


def test_an_interval_is_the_t_interval_over_seed_means():
    groups = two_level(np.random.default_rng(0), seeds=5, between=20)
    means = [tasks[0].mean() for tasks in groups]
    truth = stats.ttest_1samp(means, 1.5)
    estimate = seed_estimate(groups)
    assert estimate.interval(0.9) == pytest.approx(tuple(truth.confidence_interval(0.9)))
    assert estimate.p_value(1.5) == pytest.approx(truth.pvalue)


@pytest.mark.parametrize("between", [0, 5, 20])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_an_interval_covers_the_truth_as_often_as_it_says(seeds, between):
    generator = np.random.default_rng(1)
    runs = [two_level(generator, seeds, between) for _ in range(1000)]

    def covered(estimate):
        return np.mean([low <= 0 <= high for low, high in (estimate(run).interval(0.95) for run in runs)])

    assert covered(seed_estimate) == pytest.approx(0.95, abs=0.02)  # three standard errors
    assert covered(difference_estimate) > 0.93
    if between == 20:  # the spread of episodes hardly matters: no wider than it must be
        assert covered(difference_estimate) < 0.98


def test_an_interval_over_tasks_covers_although_they_spread_differently():
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(1000):
        wide, narrow = (two_level(generator, 3, between) for between in (20, 0))
        low, high = seed_estimate([[*a, *b] for a, b in zip(wide, narrow, strict=True)]).interval(0.95)
        covered += low <= 0 <= high
    assert covered / 1000 == pytest.approx(0.95, abs=0.02)


def test_two_seeds_never_decide_an_effect_inside_the_spread():
    generator = np.random.default_rng(3)
    inside = 0
    for _ in range(2000):
        groups = two_level(generator, seeds=2, between=generator.uniform(0, 20))
        groups = [[tasks[0] + 10] for tasks in groups]
        means = [tasks[0].mean() for tasks in groups]
        spread = max(abs(means[0] - means[1]), np.std(groups) / np.sqrt(10))
        if abs(np.mean(means)) < spread:
            inside += 1
            low, high = difference_estimate(groups).interval(0.95)
            assert low < 0 < high
    assert inside > 500


def test_seeds_that_agree_by_chance_do_not_make_a_narrow_interval():
    one_success_more = np.array([100.0] + [0.0] * 9)
    low, high = difference_estimate([[one_success_more], [one_success_more]]).interval(0.95)
    assert low < 0 < high


def test_one_seed_has_no_interval():
    estimate = difference_estimate([[np.array([1.0, 2.0, 3.0])]])
    assert estimate.mean == 2
    assert np.isnan(estimate.interval(0.95)).all()
    assert estimate.p_value(0) == 1


def test_episodes_are_averaged_within_a_seed_first():
    assert seed_estimate([[np.zeros(90)], [np.full(10, 8.0)]]).mean == 4


def test_holm_against_an_example_worked_by_hand():
    # In order: 0.005 <= 0.05/4 and 0.01 <= 0.05/3 are rejected, 0.03 > 0.05/2 ends it.
    assert holm_divisors([0.01, 0.04, 0.03, 0.005], 0.05) == [3, 2, 2, 4]
    assert holm_divisors([0.9, 0.8], 0.05) == [2, 2]
    assert holm_divisors([], 0.05) == []


def test_an_interval_at_holms_level_leaves_out_its_null_where_holm_rejects():
    generator = np.random.default_rng(4)
    rejections = 0
    for _ in range(200):
        family = [Estimate(generator.normal(0, 4), generator.uniform(0.5, 2), 5) for _ in range(6)]
        p_values = np.array([estimate.p_value(0) for estimate in family])
        order = np.argsort(p_values)
        adjusted = np.empty(6)
        adjusted[order] = np.maximum.accumulate(p_values[order] * (6 - np.arange(6)))
        for estimate, divisor, p_value in zip(family, holm_divisors(p_values, 0.05), adjusted, strict=True):
            low, high = estimate.interval(1 - 0.05 / divisor)
            assert (low > 0 or high < 0) == (p_value <= 0.05)
            rejections += p_value <= 0.05
    assert 100 < rejections < 1100


def test_interquartile_mean_is_the_mean_of_the_middle_half():
    assert interquartile_mean(ONE) == pytest.approx(np.sort(ONE.ravel())[3:9].mean())
    # As rliable 1.2.0 computes them.
    assert interquartile_mean(ONE) == pytest.approx(55.333333333333336)
    assert interquartile_mean(OTHER) == pytest.approx(51.8)


def test_probability_of_improvement_counts_pairs():
    wins = [
        (one > other) + 0.5 * (one == other)
        for task in range(3)
        for one, other in product(ONE[:, task], OTHER[:, task])
    ]
    assert probability_of_improvement(ONE, OTHER) == pytest.approx(np.mean(wins))
    assert probability_of_improvement(ONE, OTHER) == pytest.approx(0.5694444444444445)  # rliable 1.2.0
    assert probability_of_improvement(ONE, ONE) == 0.5


def test_performance_profile_counts_runs_above_a_score():
    thresholds = np.array([0, 14, 48, 70, 95, 99])
    expected = [12 / 12, 9 / 12, 6 / 12, 5 / 12, 2 / 12, 0]  # as rliable 1.2.0 computes them
    assert performance_profile(ONE, thresholds) == pytest.approx(expected)
