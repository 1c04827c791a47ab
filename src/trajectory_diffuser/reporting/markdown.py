"""The page's first tables as Markdown, for README.md and docs/."""

from collections.abc import Sequence
from textwrap import fill

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.captions import provenance_line
from trajectory_diffuser.reporting.experiment_figure import refinement_and_drafts
from trajectory_diffuser.reporting.experiment_frontier import experiment_sentences
from trajectory_diffuser.reporting.experiment_tables import point_table
from trajectory_diffuser.reporting.finetuning import QUESTION as FINETUNING_QUESTION
from trajectory_diffuser.reporting.finetuning import finetuning_answer, round_table
from trajectory_diffuser.reporting.recommendation import (
    Recommendation,
    recommendation_answer,
    recommendation_table,
)
from trajectory_diffuser.reporting.studies import shown_studies, study_scores, study_sentences
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
    answer, table = (
        write(results, recommendations) for write in (recommendation_answer, recommendation_table)
    )
    return f"{answer}\n\n{markdown_table(table.headers, table.rows)}\n"


def asks(results: Results) -> bool:
    """Whether the run has experiments, studies or fine-tuning: `experiments_page` has something to say."""
    return bool(results.params["run"]["experiments"] or shown_studies(results) or _finetuned(results))


def experiments_page(results: Results) -> str:
    """Question, answer and numbers of all that the run asks beside its verdict."""
    parts = []
    for name in shown_studies(results):
        question = results.params["make_report"]["studies"][name]["question"]
        table = study_scores(results, name)
        parts += [f"**{escaped(question)}** {study_sentences(results, name)}", _of_planners(table)]
    for name in results.params["run"]["experiments"]:
        question = results.params["experiments"][name]["question"]
        parts.append(f"**{escaped(question)}** {refinement_and_drafts(results, name)}".rstrip())
        tasks = results.params["run"]["experiment_tasks"]
        parts.append(_listed({task: experiment_sentences(results, task, name) for task in tasks}))
        parts += [_folded(task, point_table(results, task, name)) for task in tasks]
    if tasks := _finetuned(results):
        parts.append(f"**{FINETUNING_QUESTION}**")
        parts.append(_listed({task: finetuning_answer(results, task) for task in tasks}))
        parts += [_folded(task, round_table(results, task)) for task in tasks]
    return "\n\n".join(parts) + "\n"


def _finetuned(results: Results) -> list[str]:
    return results.params["finetune"]["tasks"]


def _folded(task: str, table: Table) -> str:
    return f"<details><summary>{task}, in numbers</summary>\n\n{_of_planners(table)}\n\n</details>"


def _listed(answers: dict[str, str]) -> str:
    return "\n".join(f"- {task}: {answer}" for task, answer in answers.items())


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
