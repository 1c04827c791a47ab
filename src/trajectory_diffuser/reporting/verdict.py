"""The claims of params.yaml, on every task and over all: held, did not hold, undecided, cannot be judged.

The effect is subject minus reference in points of normalised score, over paired episodes (networks of the
same seed, the same start), with an interval over training seeds (`statistics.difference_estimate`). What the
times alone do not decide is a test; the rows over all tasks are one family of tests, the rows of single tasks
another, and intervals are at Holm's level within theirs. With m = `make_report.equivalence_margin`:

better   Superiority. Held: the interval lies above 0. Did not hold: it lies below m, so that an advantage of
         m is ruled out; "equal" is said only where it lies within -m and m.
faster   At least `times` as fast, and non-inferior. Held: the interval lies above -m. Did not hold: the
         subject is not that fast, or the interval lies below -m.
fastest  No planner of the run that scores as well is faster. Held: none is faster, or those that are score
         worse, all by more than m: the interval against the hardest of them to rule out lies above m. Did
         not hold: the interval against the fastest whose mean is within m lies below m. Rivals, which are
         not timed, do not count.

Else the row is undecided; with one seed there is no interval. Each seed's planners are timed, with what was
chosen for them. Times have no interval: they answer only where all seeds agree. Where they do not, scores
can still show that `faster` did not hold and that `fastest` held. A win is worth no more than the rival:
where the reference's mean is more than m below a perfect imitation of the data, the row cannot be judged,
unless it did not hold, as to lose against a weak rival is to lose. (Its mean, not the upper end of its
interval: with few seeds every rival could be good, and no win may rest on that.) Over tasks, effects are
averaged and times have their geometric mean.
"""

from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd

from trajectory_diffuser.reporting.artefacts import ALL_TASKS, Results, run_planners
from trajectory_diffuser.reporting.imitation import imitation_score
from trajectory_diffuser.reporting.statistics import Estimate, holm_divisors
from trajectory_diffuser.reporting.summaries import (
    common_scores,
    mean_difference,
    mean_score,
    times_by_seed,
)

HELD, DID_NOT_HOLD, UNDECIDED = "held", "did not hold", "undecided"
CANNOT_BE_JUDGED, NOT_RUN = "cannot be judged", "not run"
NEEDS_THE_TIMES = {"faster": HELD, "fastest": DID_NOT_HOLD}  # answers that scores alone cannot give


@dataclass(frozen=True)
class Row:
    """One claim's answer on one task or over all of them.

    `effect`, `low` and `high` are in points of normalised score, `seconds` and `reference_seconds` per
    decision at the smallest batch; NaN where there is none.
    """

    claim: str
    question: str
    subject: str
    reference: str
    scope: str
    answer: str
    reason: str
    effect: float = nan
    low: float = nan
    high: float = nan
    seconds: float = nan
    reference_seconds: float = nan

    @property
    def times_as_fast(self) -> float:
        """How many times as fast as the reference the subject is."""
        return self.reference_seconds / self.seconds


def judge(results: Results) -> list[Row]:
    """The rows of every claim: over all tasks first, where there are several, then task by task."""
    settings, evidence, scopes = results.params["make_report"], Evidence(results), results.scopes
    rows: list[Row | _Comparison] = []
    for name, claim in settings["claims"].items():
        subject, reference = claim["subject"], claim.get("reference", "-")
        missing = [name for name in (subject, reference) if name not in (*results.planners, "-")]
        if missing:
            scope, reason = next(iter(scopes)), f"{missing[0]} is not in the run"
            rows.append(Row(name, claim["question"], subject, reference, scope, NOT_RUN, reason))
        else:
            rows += [_compare(evidence, name, claim, scope, tasks) for scope, tasks in scopes.items()]
    comparisons = [row for row in rows if isinstance(row, _Comparison)]
    for over_all in (True, False):
        family = [each for each in comparisons if (each.scope == ALL_TASKS) == over_all and each.is_test]
        alpha = 1.0 - settings["confidence"]
        divisors = holm_divisors([each.effect.p_value(each.null) for each in family], alpha)
        for comparison, divisor in zip(family, divisors, strict=True):
            rows[rows.index(comparison)] = comparison.row(1.0 - alpha / divisor)
    return [row.row(settings["confidence"]) if isinstance(row, _Comparison) else row for row in rows]


class Evidence:
    """What the run measured, over any of its tasks."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.margin = results.params["make_report"]["equivalence_margin"]
        self.scores = common_scores(results)
        self.rates = times_by_seed(results)["decisions_per_second"]

    def mean(self, planner: str, tasks: list[str]) -> float:
        """Its normalised score, the mean over seeds and tasks."""
        return mean_score(self.results, self.scores, planner, tasks).mean

    def effect(self, subject: str, reference: str, tasks: list[str]) -> Estimate:
        """Subject minus reference, in pairs of episodes."""
        return mean_difference(self.results, self.scores, subject, reference, tasks)

    def seconds_by_seed(self, planner: str, tasks: list[str]) -> np.ndarray:
        """The time of a decision of each seed's planner, [seeds]: a geometric mean over the tasks."""
        rates = self.rates.reindex(pd.MultiIndex.from_product([tasks, [planner], self.results.seeds]))
        return np.exp(-np.log(rates.to_numpy()).reshape(len(tasks), -1).mean(axis=0))

    def seconds(self, planner: str, tasks: list[str]) -> float:
        """The same, in the mean over seeds."""
        return float(self.seconds_by_seed(planner, tasks).mean())

    def weakness(self, planner: str, tasks: list[str]) -> str:
        """Where the planner's mean is more than the margin below imitation of the data; "" if nowhere."""
        for task in tasks:
            imitation = imitation_score(self.results, task)
            mean = self.mean(planner, [task])
            if imitation is not None and mean < imitation - self.margin:
                where = f" on {task}" if len(tasks) > 1 else ""
                return f"{planner} {mean:.1f}, imitation {imitation:.1f}{where}"
        return ""

    def fastest_rival(self, subject: str, tasks: list[str]) -> str:
        """The planner that decides whether `subject` is the fastest of those that score as well.

        Of those whose mean is within the margin of the subject's or above: the fastest of those that are
        faster in all seeds, or else in any. Where only worse ones are faster, the one of them that is
        hardest to rule out; where none is, the fastest of the former.
        """
        timed = run_planners(self.results.params)  # rivals are not
        own = self.seconds_by_seed(subject, tasks)
        seconds = {rival: self.seconds_by_seed(rival, tasks) for rival in timed if rival != subject}
        effects = {rival: self.effect(subject, rival, tasks) for rival in seconds}
        as_good = [rival for rival in seconds if effects[rival].mean <= self.margin]
        for is_faster in (np.all, np.any):
            if faster := [rival for rival in as_good if is_faster(seconds[rival] < own)]:
                return min(faster, key=lambda rival: seconds[rival].mean())
        if worse := [rival for rival in seconds if np.any(seconds[rival] < own)]:
            return max(worse, key=lambda rival: effects[rival].p_value(self.margin))
        return min(as_good or seconds, key=lambda rival: seconds[rival].mean())


@dataclass(frozen=True, eq=False)
class _Comparison:
    """A claim on some tasks: what was measured, before Holm's correction says how wide the interval is."""

    name: str
    claim: dict[str, Any]
    scope: str
    reference: str
    margin: float
    effect: Estimate
    seconds: np.ndarray  # [seeds]
    reference_seconds: np.ndarray  # [seeds]
    weakness: str

    @property
    def null(self) -> float:
        """The effect above which the claim holds."""
        return {"better": 0.0, "faster": -self.margin, "fastest": self.margin}[self.claim["kind"]]

    @property
    def ruled_out_below(self) -> float:
        """The effect below which the claim does not hold."""
        return self.margin if self.claim["kind"] == "better" else self.null

    @property
    def is_fast_enough(self) -> bool | None:
        """Whether the subject is as fast as is asked, if the seeds agree."""
        enough = self.reference_seconds / self.seconds >= self.claim.get("times", 1.0)
        return bool(enough[0]) if np.all(enough == enough[0]) else None

    @property
    def is_test(self) -> bool:
        """Whether the times leave the answer open."""
        decisive = {"better": (), "faster": (False,), "fastest": (True,)}[self.claim["kind"]]
        return self.is_fast_enough not in decisive

    def row(self, confidence: float) -> Row:
        """The answer by the interval at `confidence`."""
        low, high = self.effect.interval(confidence)
        answer, reason = self._by_scores(low, high) if self.is_test else self._by_times()
        if self.is_fast_enough is None and answer == NEEDS_THE_TIMES.get(self.claim["kind"]):
            answer, reason = UNDECIDED, "the seeds' times disagree"
        if answer != DID_NOT_HOLD and self.weakness:
            answer, reason = CANNOT_BE_JUDGED, self.weakness
        return Row(
            claim=self.name,
            question=self.claim["question"],
            subject=self.claim["subject"],
            reference=self.reference,
            scope=self.scope,
            answer=answer,
            reason=reason,
            effect=self.effect.mean,
            low=low,
            high=high,
            seconds=self.seconds.mean(),
            reference_seconds=self.reference_seconds.mean(),
        )

    def _by_times(self) -> tuple[str, str]:
        if self.claim["kind"] == "fastest":
            return HELD, "none that scores as well is faster"
        return DID_NOT_HOLD, f"less than {self.claim['times']:g} times as fast"

    def _by_scores(self, low: float, high: float) -> tuple[str, str]:
        if self.effect.seeds == 1:
            return UNDECIDED, "one seed"
        if low > self.null:
            return HELD, self._success(high)
        if high < self.ruled_out_below:
            return DID_NOT_HOLD, self._failure(low, high)
        return UNDECIDED, "interval too wide"

    def _success(self, high: float) -> str:
        if self.claim["kind"] == "fastest":
            return "those that are faster score worse"
        if self.claim["kind"] == "faster":
            return "not worse"
        return "better" if high > self.margin else "better, by less than the margin"

    def _failure(self, low: float, high: float) -> str:
        if self.claim["kind"] == "fastest":
            return f"{self.reference} is faster and scores as well"
        if self.claim["kind"] == "faster":
            return "worse by more than the margin"
        if high < 0:
            return "worse"
        return "equal within the margin" if low > -self.margin else "not better by the margin"


def _compare(
    evidence: Evidence, name: str, claim: dict[str, Any], scope: str, tasks: list[str]
) -> _Comparison:
    subject = claim["subject"]
    reference = claim.get("reference") or evidence.fastest_rival(subject, tasks)
    return _Comparison(
        name=name,
        claim=claim,
        scope=scope,
        reference=reference,
        margin=evidence.margin,
        effect=evidence.effect(subject, reference, tasks),
        seconds=evidence.seconds_by_seed(subject, tasks),
        reference_seconds=evidence.seconds_by_seed(reference, tasks),
        weakness=evidence.weakness(reference, tasks),
    )
