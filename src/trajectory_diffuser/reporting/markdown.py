"""The page's first tables as Markdown, for README.md and docs/."""

from collections.abc import Sequence
from textwrap import fill

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.captions import provenance_line
from trajectory_diffuser.reporting.questions import Question
from trajectory_diffuser.reporting.recommendation import (
    Recommendation,
    recommendation_answer,
    recommendation_table,
)
from trajectory_diffuser.reporting.tables import Table, headline_table, over_tasks_table
from trajectory_diffuser.reporting.verdict import Row
from trajectory_diffuser.reporting.verdict_table import COLUMNS, cells_of, how_judged
from trajectory_diffuser.reporting.ways import tasks_with_ways, way_answer, way_table


def verdict_page(results: Results, verdict: list[Row]) -> str:
    """How it is judged, and the verdict; the only subject and the only task are named once."""
    subjects, scopes = ({getattr(row, name) for row in verdict} for name in ("subject", "scope"))
    headers, rows = ["question", *COLUMNS], []
    for row in verdict:
        scope, answer, *rest = cells_of(row)
        question = row.question if len(subjects) == 1 else f"{row.question} ({row.subject})"
        rows.append([question, scope, f"**{answer}**", *rest])
    about = f" about `{subjects.pop()}`" if len(subjects) == 1 else ""
    if len(scopes) == 1:
        headers, *rows = ([question, *rest] for question, _, *rest in (headers, *rows))
        about += f" on {scopes.pop()}"
    said = f"Questions{about}. {how_judged(results)}" if about else how_judged(results)
    return f"{fill(said, 120)}\n\n{markdown_table(headers, rows)}\n"


def recommendation_page(results: Results, recommendations: list[Recommendation]) -> str:
    """Which row to take on each task, and where planning beats cloning."""
    answer = recommendation_answer(results, recommendations)
    table = recommendation_table(results, recommendations)
    return f"{answer}\n\n{markdown_table(table.headers, table.rows)}\n"


def experiments_page(asked: list[Question]) -> str:
    """Question, answer and numbers of all that a run asks beside its verdict."""
    parts = []
    for each in asked:
        if each.answer:
            parts += [f"**{escaped(each.question)}** {each.answer.said}", _of_planners(each.answer.table)]
        else:
            parts.append(f"**{escaped(each.question)}** {each.said}".rstrip())
            parts.append("\n".join(f"- {task}: {answer.said}" for task, answer in each.answers.items()))
            parts += [_folded(task, answer.table) for task, answer in each.answers.items()]
    return "\n\n".join(parts) + "\n"


def _folded(task: str, table: Table) -> str:
    return f"<details><summary>{task}, in numbers</summary>\n\n{_of_planners(table)}\n\n</details>"


def scores_page(results: Results) -> str:
    """Scores of each task and, of two ways, which one plans go; scores over all tasks; how they were made."""
    parts = []
    for task in results.tasks:
        parts += [f"**{task}**", _of_planners(headline_table(results, task))]
        if task in tasks_with_ways(results):
            parts += [way_answer(results, task), _of_planners(way_table(results, task))]
    if len(results.tasks) > 1:
        scores = over_tasks_table(results)
        parts += ["**over all tasks**", markdown_table(scores.headers, scores.rows)]
    return "\n\n".join([*parts, provenance_line(results, results.tasks, [])]) + "\n"


def _of_planners(table: Table) -> str:
    return markdown_table(table.headers, [[f"`{planner}`", *rest] for planner, *rest in table.rows])


def markdown_table(headers: Sequence[str], rows: list[list[str]]) -> str:
    """Cells of text as a Markdown table, without a last newline. Text stays text: no HTML, one line."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(map(escaped, line)) + " |" for line in lines)


def escaped(text: str) -> str:
    """Somebody's words where Markdown and HTML are read."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
