"""The verdict: every answer can come about, and does so as often as it should."""

import numpy as np
import pytest
from reporting.made_up_results import results_of

from trajectory_diffuser.reporting.artefacts import ALL_TASKS
from trajectory_diffuser.reporting.summaries import smallest_batch
from trajectory_diffuser.reporting.verdict import (
    CANNOT_BE_JUDGED,
    DID_NOT_HOLD,
    HELD,
    NOT_RUN,
    UNDECIDED,
    judge,
)

BETTER = {"question": "Better?", "kind": "better", "subject": "ours", "reference": "rival"}
FASTER = {"question": "Faster?", "kind": "faster", "subject": "ours", "reference": "rival", "times": 3.0}
FASTEST = {"question": "Fastest?", "kind": "fastest", "subject": "ours"}


def scores(means, spread=1.0, tasks=1, seeds=5):
    """Episodes [tasks, seeds, episodes] with just these means; `ours` has just this spread over seeds."""
    deviations = np.linspace(-1, 1, seeds) if seeds > 1 else np.zeros(1)
    deviations = spread * deviations / deviations.std(ddof=1) if seeds > 1 else deviations
    made = {planner: np.full((tasks, seeds, 10), float(mean)) for planner, mean in means.items()}
    made["ours"] += deviations[:, None]
    return made


def sampled(means, spread, tasks, seeds, seed):
    """Episodes [tasks, seeds, episodes]: normal with deviation `spread` between seeds, and 5 within."""
    generator = np.random.default_rng(seed)
    shape = (tasks, seeds)
    return {
        planner: mean + generator.normal(0, spread, (*shape, 1)) + generator.normal(0, 5, (*shape, 10))
        for planner, mean in means.items()
    }


def answers(claims, *arguments, **keywords):
    rows = judge(results_of(*arguments, claims={str(i): claim for i, claim in enumerate(claims)}, **keywords))
    return [(row.answer, row.reason) for row in rows]


@pytest.mark.parametrize(
    ("ours", "spread", "answer", "reason"),
    [
        (60, 1, HELD, "better"),
        (53.5, 0.5, HELD, "better, by less than the margin"),
        (50, 1, DID_NOT_HOLD, "equal within the margin"),
        (40, 1, DID_NOT_HOLD, "worse"),
        (46, 6, DID_NOT_HOLD, "not better by the margin"),
        (55, 10, UNDECIDED, "interval too wide"),
    ],
)
def test_better_is_answered_by_where_the_interval_lies(ours, spread, answer, reason):
    made = scores({"ours": ours, "rival": 50}, spread)
    assert answers([BETTER], made) == [(answer, reason)]


@pytest.mark.parametrize(
    ("ours", "rate", "spread", "answer", "reason"),
    [
        (50, 4, 1, HELD, "not worse"),
        (60, 2, 1, DID_NOT_HOLD, "less than 3 times as fast"),
        (40, 4, 1, DID_NOT_HOLD, "worse by more than the margin"),
        (47, 4, 10, UNDECIDED, "interval too wide"),
    ],
)
def test_faster_is_lost_by_speed_or_by_score(ours, rate, spread, answer, reason):
    made = scores({"ours": ours, "rival": 50}, spread)
    assert answers([FASTER], made, rates={"ours": rate, "rival": 1}) == [(answer, reason)]


@pytest.mark.parametrize(
    ("means", "rates", "reference", "answer"),
    [
        # The fastest of those that score as well is named, though a worse one is faster.
        ({"ours": 50, "slow": 50, "good": 49, "bad": 10}, (2, 1, 1.5, 9), "bad", HELD),
        ({"ours": 50, "slow": 50, "good": 49, "bad": 10}, (9, 1, 1.5, 2), "good", HELD),
        ({"ours": 50, "slow": 50, "good": 49, "bad": 10}, (2, 1, 3, 9), "good", DID_NOT_HOLD),
        ({"ours": 50, "better": 70, "good": 49, "bad": 10}, (2, 4, 3, 9), "better", DID_NOT_HOLD),
    ],
)
def test_fastest_is_against_the_fastest_that_scores_as_well(means, rates, reference, answer):
    results = results_of(scores(means), {"fastest": FASTEST}, dict(zip(means, rates, strict=True)))
    (row,) = judge(results)
    assert (row.reference, row.answer) == (reference, answer)
    assert row.times_as_fast == pytest.approx(rates[0] / dict(zip(means, rates, strict=True))[reference])


def test_fastest_is_undecided_while_a_faster_one_may_score_as_well():
    made = scores({"ours": 50, "rival": 42}, spread=8)
    assert answers([FASTEST], made, rates={"ours": 1, "rival": 2}) == [(UNDECIDED, "interval too wide")]


def test_a_win_over_a_rival_below_imitation_cannot_be_judged():
    made = scores({"ours": 60, "rival": 30})
    (row,) = answers([BETTER], made, imitation=50.0)
    assert row[0] == CANNOT_BE_JUDGED and row[1].startswith("rival 30.0, imitation 50.0")
    assert answers([BETTER], made, imitation=33.0)[0][0] == HELD  # within the margin of imitation
    over_tasks = scores({"ours": 60, "rival": 30}, tasks=2)
    over_tasks["rival"][0] += 25
    results = results_of(over_tasks, {"better": BETTER}, imitation=50.0)
    assert {row.scope: row.answer for row in judge(results)} == {
        ALL_TASKS: CANNOT_BE_JUDGED,
        "task-0": HELD,
        "task-1": CANNOT_BE_JUDGED,
    }


def test_to_lose_against_a_rival_below_imitation_is_to_lose():
    made = scores({"ours": 20, "rival": 30})
    assert answers([BETTER, FASTER], made, imitation=50.0) == [
        (DID_NOT_HOLD, "worse"),
        (DID_NOT_HOLD, "less than 3 times as fast"),
    ]


def test_one_seed_is_undecided_unless_times_decide():
    made = scores({"ours": 90, "rival": 50}, seeds=1)
    assert answers([BETTER, FASTER, FASTEST], made) == [
        (UNDECIDED, "one seed"),
        (DID_NOT_HOLD, "less than 3 times as fast"),
        (HELD, "none that scores as well is faster"),
    ]


def test_a_planner_that_did_not_run_is_said_to():
    made = scores({"ours": 90, "rival": 50})
    assert answers([BETTER | {"reference": "absent"}], made) == [(NOT_RUN, "absent is not in the run")]


def test_effects_are_averaged_over_tasks_and_times_multiply():
    made = scores({"ours": 60, "rival": 50}, tasks=2)
    made["ours"][1] += 6
    results = results_of(made, {"better": BETTER})
    rates = results.latency["task"].map({"task-0": 2.0, "task-1": 8.0})
    results.latency.loc[results.latency["planner"] == "ours", "decisions_per_second"] = rates
    over, first, second = judge(results)
    assert over.scope == ALL_TASKS
    assert over.effect == pytest.approx((first.effect + second.effect) / 2)
    assert over.times_as_fast == pytest.approx(4)


def test_times_decide_only_where_all_seeds_agree():
    def verdict(claim, mean, rates):
        results = results_of(scores({"ours": mean, "rival": 50}, seeds=3), {"claim": claim})
        results.latency.loc[results.latency["planner"] == "ours", "decisions_per_second"] = rates
        (row,) = judge(results)
        return row.answer, row.reason

    split, disagree = [4.0, 4.0, 2.0], (UNDECIDED, "the seeds' times disagree")
    assert verdict(FASTER, 50, [4.0, 4.0, 3.0])[0] == HELD
    assert verdict(FASTER, 50, split) == disagree
    assert verdict(FASTER, 20, split) == (DID_NOT_HOLD, "worse by more than the margin")
    split = [2.0, 2.0, 0.5]
    assert verdict(FASTEST, 50, [2.0, 2.0, 1.0])[0] == HELD
    assert verdict(FASTEST, 50, split) == disagree
    assert verdict(FASTEST, 80, [0.5, 0.5, 0.9]) == (HELD, "those that are faster score worse")
    assert verdict(FASTEST, 50, [0.5, 0.5, 0.9])[0] == DID_NOT_HOLD


@pytest.mark.parametrize(
    ("others", "answer", "against"),
    [
        ({"a": (50, [1.1, 1.1, 1.1]), "b": (50, [0.5, 2.0, 2.0])}, UNDECIDED, "b"),
        ({"a": (30, [0.1, 0.1, 0.1]), "b": (50, [0.5, 0.5, 2.2])}, UNDECIDED, "b"),
        ({"a": (50, [0.05, 0.05, 1.2]), "b": (50, [0.5, 0.5, 0.5])}, DID_NOT_HOLD, "b"),
        ({"a": (50, [0.1, 0.1, 0.1]), "b": (50, [0.5, 0.5, 0.5])}, DID_NOT_HOLD, "a"),
        ({"a": (20, [0.1, 0.1, 0.1]), "b": (50, [2.0, 1.5, 1.5])}, HELD, "a"),
        ({"a": (50, [3.0, 3.0, 3.0]), "b": (50, [2.0, 1.5, 1.5])}, HELD, "b"),
    ],
)
def test_the_fastest_is_held_against_who_is_faster_in_any_seed(others, answer, against):
    means = {"ours": 50} | {name: mean for name, (mean, _) in others.items()}
    results = results_of(scores(means, seeds=3), {"fastest": FASTEST})
    for name, (_, seconds) in others.items():
        own = results.latency["planner"] == name
        results.latency.loc[own, "decisions_per_second"] = 1 / np.array(seconds)
    (row,) = judge(results)
    assert (row.answer, row.reference) == (answer, against)


def test_a_time_is_the_mean_over_seeds():
    results = results_of(scores({"ours": 60, "rival": 50}, seeds=3), {"better": BETTER})
    results.latency.loc[results.latency["planner"] == "ours", "decisions_per_second"] = [1.0, 2.0, 4.0]
    assert judge(results)[0].seconds == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)
    assert smallest_batch(results).loc[("task-0", "ours"), "decisions_per_second"] == pytest.approx(12 / 7)


RIVALS = [BETTER | {"reference": f"rival_{index}"} for index in range(3)]


def simulated(ours, runs, seeds):
    """In how many runs, of two tasks and four rivals at 50, which claims are said to have held."""
    held = []
    for run in range(runs):
        means = {"ours": ours} | {f"rival_{index}": 50 for index in range(3)}
        made = sampled(means, spread=2, tasks=2, seeds=seeds, seed=run)
        held.append([answer == HELD for answer, _ in answers(RIVALS, made)])
    return np.array(held)


def test_no_effect_is_not_found_in_95_of_100_runs():
    held = simulated(50, runs=100, seeds=5)
    assert held.any(axis=1).mean() <= 0.05


def test_an_effect_of_10_points_is_found_with_5_seeds():
    held = simulated(60, runs=20, seeds=5)
    assert held.mean() >= 0.9
    assert held.reshape(20, 3, 3)[:, :, 0].mean() >= 0.95  # over all tasks
