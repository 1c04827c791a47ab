"""What to take on a task: the fastest row that scores as well as the best; what planning and drafts add."""

from dataclasses import dataclass

from trajectory_diffuser.reporting.artefacts import Results, run_planners
from trajectory_diffuser.reporting.statistics import Estimate
from trajectory_diffuser.reporting.tables import NOTHING, Table, effect, number, time
from trajectory_diffuser.reporting.verdict import Evidence

HEADERS = ["task", "take", "score", "time", "planner to take", "score", "time",
           "the best planner, ahead of the best cloning",
           "the best with a draft, ahead of the best without",
           "the planner to take, ahead of the subject and its controls"]  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """A row to take, its mean score on the task, and the seconds of a decision."""

    row: str
    score: float
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """A row beside another: how far it is ahead."""

    row: str
    other: str
    ahead: Estimate


@dataclass(frozen=True)
class Recommendation:
    """What to take on a task, of all and of the planners; None where the run has not both of two kinds.

    `cloning` is the best planner beside the best policy, `conditioned` beside the best one that is told the
    return to come; `drafts` are, of the planners, the best that starts from a draft beside the best that does
    not; `draft_saves_time` says whether one to take that starts from a draft scores as much as the latter and
    is faster than what to take of its kind. `others` are the planner to take beside the subject and each of
    its controls.
    """

    task: str
    of_all: Choice
    of_planners: Choice
    cloning: Comparison | None
    conditioned: Comparison | None
    drafts: Comparison | None
    draft_saves_time: bool
    others: list[Comparison]


def recommend(results: Results) -> list[Recommendation]:
    """One for each task of the run."""
    evidence, planners, rows = Evidence(results), results.with_plans, results.params["planners"]
    policies = results.params["run"]["policies"]
    conditioned = [name for name in policies if results.params["policies"][name]["return_conditioned"]]
    drafted = [name for name in planners if rows[name]["start"] == "draft"]
    others = [name for name in planners if name not in drafted]
    made = []
    for task in results.tasks:
        of_planners = recommended(evidence, task, planners)
        beside = dict.fromkeys(
            name for name in (results.subject, *results.controls) if name != of_planners.row
        )
        made.append(
            Recommendation(
                task,
                recommended(evidence, task, run_planners(results.params)),
                of_planners,
                _compare(evidence, task, planners, policies),
                _compare(evidence, task, planners, conditioned),
                _compare(evidence, task, drafted, others),
                _saves_time(evidence, task, drafted, others),
                [_ahead(evidence, task, of_planners.row, name) for name in beside],
            )
        )
    return made


def recommended(evidence: Evidence, task: str, rows: list[str]) -> Choice:
    """The fastest of `rows` whose mean score is within the equivalence margin of the best of them."""
    lowest = evidence.mean(_best(evidence, task, rows), [task]) - evidence.margin
    choices = [Choice(row, evidence.mean(row, [task]), evidence.seconds(row, [task])) for row in rows]
    return min((each for each in choices if each.score >= lowest), key=lambda choice: choice.seconds)


def recommendation_table(results: Results, recommendations: list[Recommendation]) -> Table:
    """A row per task."""
    lines = []
    for each in recommendations:
        line = [each.task]
        for choice in (each.of_all, each.of_planners):
            line += [choice.row, number(choice.score, 1), time(choice.seconds)]
        line += [_said(results, comparison) for comparison in (each.cloning, each.drafts)]
        lines.append([*line, "; ".join(_said(results, comparison) for comparison in each.others) or NOTHING])
    return Table(HEADERS, lines, names=2)


def recommendation_answer(results: Results, recommendations: list[Recommendation]) -> str:
    """On which tasks planning beats cloned actions, of any and of one kind, and where a draft is worth it.

    To score more is to do so by more than the margin and, with several seeds, with an interval above 0.
    """
    better: dict[str, list[str]] = {"planning": [], "conditioned": [], "draft": [], "faster": []}
    for each in recommendations:
        if each.cloning is None or each.drafts is None:
            return ""
        if _scores_more(results, each.cloning):
            better["planning"].append(each.task)
        if each.conditioned is not None and _scores_more(results, each.conditioned):
            better["conditioned"].append(each.task)
        if _scores_more(results, each.drafts):
            better["draft"].append(each.task)
        elif each.draft_saves_time:
            better["faster"].append(each.task)
    where = {name: ", ".join(tasks) or "no task of the run" for name, tasks in better.items()}
    told = ""
    if any(each.conditioned for each in recommendations):
        told = f", more than return-conditioned cloning alone on {where['conditioned']}"
    sooner = f"; they score as much, in less time, on {where['faster']}" if better["faster"] else ""
    if len(results.seeds) > 1:
        trust = "Each interval stands for itself: none is corrected for their number, as the verdict's are"
    else:
        trust = "With one seed that is said of means alone"
    return (
        f"Planning scores more than cloned actions on {where['planning']}{told}. With a draft planners score "
        f"more than without on {where['draft']}{sooner}. {trust}, and the best are the best of the episodes "
        "in which they are compared."
    )


def _compare(evidence: Evidence, task: str, rows: list[str], others: list[str]) -> Comparison | None:
    if not rows or not others:
        return None
    return _ahead(evidence, task, _best(evidence, task, rows), _best(evidence, task, others))


def _best(evidence: Evidence, task: str, rows: list[str]) -> str:
    return max(rows, key=lambda row: evidence.mean(row, [task]))


def _ahead(evidence: Evidence, task: str, row: str, other: str) -> Comparison:
    return Comparison(row, other, evidence.effect(row, other, [task]))


def _saves_time(evidence: Evidence, task: str, drafted: list[str], others: list[str]) -> bool:
    if not drafted or not others:
        return False
    own, other = (recommended(evidence, task, rows) for rows in (drafted, others))
    lowest = evidence.mean(_best(evidence, task, others), [task]) - evidence.margin
    return own.score >= lowest and own.seconds < other.seconds


def _said(results: Results, comparison: Comparison | None) -> str:
    if comparison is None:
        return NOTHING
    interval = comparison.ahead.interval(results.params["make_report"]["confidence"])
    return f"{comparison.row} {effect(comparison.ahead.mean, *interval)} on {comparison.other}"


def _scores_more(results: Results, comparison: Comparison) -> bool:
    settings = results.params["make_report"]
    low, _ = comparison.ahead.interval(settings["confidence"])
    above = comparison.ahead.mean > settings["equivalence_margin"]
    return above and not low <= 0.0  # NaN with one seed
