"""What to take on a task: the fastest row that scores as well as the best; what planning and drafts add."""

from dataclasses import dataclass

from trajectory_diffuser.reporting.artefacts import Results, run_planners
from trajectory_diffuser.reporting.statistics import Estimate
from trajectory_diffuser.reporting.summaries import common_scores, mean_difference, mean_score, smallest_batch
from trajectory_diffuser.reporting.tables import NOTHING, Table, effect, number, time

HEADERS = ["task", "take", "score", "time", "planner to take", "score", "time",
           "ahead of the best cloning", "with a draft, ahead of without"]  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """The row to take of one kind beside that of another: how far it is ahead, and how many times as fast."""

    row: str
    other: str
    ahead: Estimate
    times_as_fast: float


def recommended(results: Results, task: str, rows: list[str]) -> str:
    """The fastest of `rows` whose mean score is within the equivalence margin of the best of them."""
    means = {row: _mean(results, task, row) for row in rows}
    lowest = max(means.values()) - results.params["make_report"]["equivalence_margin"]
    return min((row for row in rows if means[row] >= lowest), key=lambda row: _seconds(results, task, row))


def planning_and_cloning(results: Results, task: str) -> Comparison | None:
    """The planner to take beside the policy to take; None where the run has not both."""
    return _compare(results, task, results.with_plans, results.params["run"]["policies"])


def drafts_and_others(results: Results, task: str) -> Comparison | None:
    """Of the planners, the one to take that starts from a draft beside the one that does not."""
    rows = results.params["planners"]
    drafted = [name for name in results.with_plans if rows[name]["start"] == "draft"]
    return _compare(results, task, drafted, [name for name in results.with_plans if name not in drafted])


def recommendation_table(results: Results) -> Table:
    """A row per task."""
    lines = []
    for task in results.tasks:
        line = [task]
        for rows in (run_planners(results.params), results.with_plans):
            name = recommended(results, task, rows)
            line += [name, number(_mean(results, task, name), 1), time(_seconds(results, task, name))]
        line += [
            _said(results, compare(results, task)) for compare in (planning_and_cloning, drafts_and_others)
        ]
        lines.append(line)
    return Table(HEADERS, lines, names=2)


def recommendation_answer(results: Results) -> str:
    """On which tasks planning beats cloned actions, and on which a draft is worth it.

    To score more is to do so by more than the margin and, with several seeds, with an interval above 0.
    """
    better: dict[str, list[str]] = {"planning": [], "draft": [], "faster": []}
    for task in results.tasks:
        cloning, drafts = planning_and_cloning(results, task), drafts_and_others(results, task)
        if cloning is None or drafts is None:
            return ""
        if _scores_more(results, cloning):
            better["planning"].append(task)
        if _scores_more(results, drafts):
            better["draft"].append(task)
        elif drafts.times_as_fast > 1 and drafts.ahead.mean >= -_margin(results):
            better["faster"].append(task)
    where = {name: ", ".join(tasks) or "no task of the run" for name, tasks in better.items()}
    return (
        f"Planning scores more than cloned actions on {where['planning']}. With a draft planners score more "
        f"than without on {where['draft']}; they score as much, in less time, on {where['faster']}."
    )


def _compare(results: Results, task: str, rows: list[str], others: list[str]) -> Comparison | None:
    if not rows or not others:
        return None
    row, other = recommended(results, task, rows), recommended(results, task, others)
    ahead = mean_difference(results, common_scores(results), row, other, [task])
    return Comparison(row, other, ahead, _seconds(results, task, other) / _seconds(results, task, row))


def _said(results: Results, comparison: Comparison | None) -> str:
    if comparison is None:
        return NOTHING
    interval = comparison.ahead.interval(results.params["make_report"]["confidence"])
    return f"{comparison.row} {effect(comparison.ahead.mean, *interval)} on {comparison.other}"


def _scores_more(results: Results, comparison: Comparison) -> bool:
    low, _ = comparison.ahead.interval(results.params["make_report"]["confidence"])
    return comparison.ahead.mean > _margin(results) and not low <= 0.0  # NaN with one seed


def _margin(results: Results) -> float:
    return results.params["make_report"]["equivalence_margin"]


def _mean(results: Results, task: str, row: str) -> float:
    return mean_score(results, common_scores(results), row, [task]).mean


def _seconds(results: Results, task: str, row: str) -> float:
    return smallest_batch(results)["seconds_per_plan"][task, row]
