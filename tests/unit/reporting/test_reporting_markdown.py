"""The tables for README and docs say what the page says."""

import pytest

from trajectory_diffuser.reporting.experiment_figure import experiment_answer
from trajectory_diffuser.reporting.markdown import (
    escaped,
    experiments_page,
    markdown_table,
    scores_page,
    verdict_page,
)
from trajectory_diffuser.reporting.questions import questions
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.studies import study_sentences, study_table
from trajectory_diffuser.reporting.tables import headline_table
from trajectory_diffuser.reporting.verdict import judge


def test_words_in_a_table_are_text_on_one_line():
    table = markdown_table(["a | b"], [["<img onerror=x>\nand more"]])
    assert table.splitlines() == ["| a \\| b |", "| --- |", "| &lt;img onerror=x> and more |"]


@pytest.fixture
def text(params, root):
    results = read_results(params, root)
    return verdict_page(results, judge(results)) + "\n" + scores_page(results)


def tables(text):
    """Rows of cells of each table."""
    found = []
    for block in text.split("\n\n"):
        if block.startswith("|"):
            found.append([[cell.strip() for cell in line[1:-1].split(" | ")] for line in block.split("\n")])
    return found


def test_every_row_of_a_table_has_as_many_cells_as_its_header(text):
    found = tables(text)
    assert len(found) == 1 + 2 + 1
    for table in found:
        assert {len(row) for row in table} == {len(table[0])}


def test_the_verdict_has_a_row_for_each_claim_and_scope(params, root, text):
    verdict = judge(read_results(params, root))
    rows = tables(text)[0][2:]
    assert [row[2] for row in rows] == [f"**{each.answer}**" for each in verdict]
    assert rows[0][0].startswith("Is it at least 3 times as fast")


def test_a_subject_and_a_task_that_all_rows_share_are_named_once(params, root):
    params["run"]["tasks"] = params["run"]["tasks"][:1]
    (task,) = params["run"]["tasks"]
    results = read_results(params, root)
    verdict = judge(results)
    (subject,) = {row.subject for row in verdict}
    text = verdict_page(results, verdict)
    assert text.startswith(f"Questions about `{subject}` on {task}. Effects in points")
    assert (text.count(task), text.count(f"`{subject}`"), text.count(f"({subject})")) == (1, 1, 0)
    headers, _, *rows = tables(text.strip())[0]
    assert headers[:3] == ["question", "answer", "against"]
    assert [row[:3] for row in rows] == [[r.question, f"**{r.answer}**", r.reference] for r in verdict]


def test_scores_are_those_of_the_page(params, root, text):
    page = headline_table(read_results(params, root), "maze-umaze")
    rows = tables(text)[2]
    assert rows[0] == page.headers
    assert [[row[0].strip("`"), *row[1:]] for row in rows[2:]] == page.rows


def test_experiments_are_questions_with_the_answers_of_the_page_and_a_studys_scores(params, root):
    tasks = params["run"]["tasks"]
    study = {"question": "How much?", "quantity": "cups", "tasks": dict(zip(tasks, (1, 20), strict=True))}
    params["make_report"]["studies"] = {"cups": study}
    results = read_results(params, root)
    text = experiments_page(questions(results))
    assert f"**How much?** {study_sentences(results, 'cups')}\n" in text
    scores = study_table(results, "cups").groupby(["planner", "value"])["normalised_score"].mean()
    headers, _, *rows = tables(text)[0]
    assert headers == ["planner; cups", "1", "20"]
    for planner, *cells in rows:
        assert cells == [f"{scores[planner.strip('`'), value]:.1f}" for value in (1, 20)]
    for name in params["run"]["experiments"]:
        assert f"**{escaped(params['experiments'][name]['question'])}**" in text
        assert all(f"- {task}: {experiment_answer(results, task, name)}" in text for task in tasks)


def test_a_run_that_asks_nothing_else_has_no_such_page(params, root):
    assert questions(read_results(params, root))
    params["run"]["experiments"] = []
    assert not questions(read_results(params, root))
