"""Studies: the scores of several tasks along the quantity in which they differ."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reporting.made_up_results import results_of
from reporting.made_up_run import write_run

from trajectory_diffuser.reporting import studies
from trajectory_diffuser.reporting.artefacts import TaskData
from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.studies import (
    shown_studies,
    study_answer,
    study_figure,
    study_plans,
    study_scores,
    study_sentences,
    study_table,
)

STUDY = {
    "question": "How much <data>?",
    "quantity": "% of the episodes, $x \\frac{1}$",
    "tasks": {"task-2": 1.0, "task-0": 10.0, "task-1": 100.0},
}
SCORES = {  # of task-2, task-0, task-1, without data, with some, with all
    "draft": [20, 80, 83],
    "ddim": [90, 92, 94],
    "full_diffusion": [90, 70, 60],
}


@pytest.fixture
def results():
    """Three tasks, two seeds that are 2 apart, four episodes that are 1 apart."""
    order = [1, 2, 0]  # task-0, task-1, task-2
    spread = np.array([-1.0, 1.0])[:, None] + np.array([-1.5, -0.5, 0.5, 1.5])  # [seeds, episodes]
    scores = {name: np.array(means)[order][:, None, None] + spread for name, means in SCORES.items()}
    results = results_of(scores, claims={})
    results.params.update(planners=dict.fromkeys(SCORES), policies={}, rivals={})
    results.params["make_report"]["studies"] = {"data": STUDY}
    results.scores[["success", "wall_crossing_fraction"]] = np.nan
    results.latency["seconds_per_plan"] = results.latency["task"].map(
        {"task-0": 0.002, "task-1": 0.003, "task-2": 0.001}
    )
    return results


def test_rows_are_in_the_order_of_the_quantity_whatever_that_of_the_tasks(results):
    table = study_table(results, "data")
    assert table["value"].drop_duplicates().tolist() == [1.0, 10.0, 100.0]
    own = table[(table["planner"] == "draft") & (table["seed"] == 1)]
    assert own["normalised_score"].tolist() == pytest.approx([21, 81, 84])
    assert own["milliseconds"].tolist() == pytest.approx([1, 2, 3])
    assert len(table) == 3 * 3 * 2


def test_a_plan_is_off_by_how_far_it_is_from_what_was_reached(results):
    data = {"task-0": TaskData(np.zeros(1), np.ones(1), np.array([[0.0, 7.0], [4.0, 7.0]]))}  # s.d. 2 and 0
    reached = np.arange(7.0)[:, None] * [2.0, 1.0]  # [7, 2]
    plan = np.stack([reached[[0, 2, 4]], reached[[3, 5, 6]]])  # its last state is beyond the episode's end
    plan[:, 1:] += [6.0, 1.0]
    plans = {("task-0", 1, "draft"): {"steps": np.array([0, 3]), "plan": plan, "executed": reached}}
    results.params["tasks"] = {"task-0": {"stride": 2}}
    table = study_table(replace(results, plans=plans, data=data), "data")
    own = table[(table["task"] == "task-0") & (table["seed"] == 1)].set_index("planner")["plan_error"]
    assert own["draft"] == pytest.approx(np.sqrt((3.0**2 + 1.0**2) / 2))
    assert own.drop("draft").isna().all()


def test_it_says_from_where_on_a_planner_is_as_good_as_it_gets(results):
    assert study_answer(results, "data") == (
        "draft: best 83.0 at 100, from 10 on within 5 points of that. "
        "ddim: best 94.0 at 100, all within 5 points of that. "
        "full_diffusion: best 90.0 at 1, falls to 60.0 at 100."
    )


def test_it_says_what_plans_are_like_where_there_are_walls(results, monkeypatch):
    assert study_plans(results, "data") == ""
    through = {"task-2": 0.5, "task-0": 0.25, "task-1": 0.125}
    walls = results.scores["task"].map(through)
    results.scores["wall_crossing_fraction"] = walls.where(results.scores["planner"] != "draft")
    results.scores["success"] = 0.25
    monkeypatch.setattr(studies, "plan_error", lambda *_: float("nan"))
    assert study_plans(results, "data") == (
        "Share of episodes that reach the goal, at 1, 10, 100: draft 0.25, 0.25, 0.25; ddim 0.25, 0.25, "
        "0.25; full_diffusion 0.25, 0.25, 0.25. Share of plans' segments through walls, at 1, 10, 100: ddim "
        "0.50, 0.25, 0.12; full_diffusion 0.50, 0.25, 0.12."
    )
    assert study_sentences(results, "data") == (
        f"{study_answer(results, 'data')} {study_plans(results, 'data')}"
    )


@pytest.fixture
def settings(results):
    """A study of what cannot be counted, in another order than the run's tasks."""
    names = {"task-2": "ours", "task-0": "without a mask", "task-1": "their betas"}
    results.params["make_report"]["studies"]["settings"] = STUDY | {"tasks": names}
    return results


def test_words_stand_in_the_order_in_which_they_are_listed(settings):
    table = study_scores(settings, "settings")
    assert table.headers[1:] == ["ours", "without a mask", "their betas"]
    assert table.rows[0] == ["draft", "20.0", "80.0", "83.0"]
    ticks = study_figure(settings, "settings").axes[0].get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["ours", "without a mask", "their betas"]
    first = study_figure(settings, "settings").axes[0].containers[0].lines[0]
    assert first.get_ydata().tolist() == pytest.approx([20, 80, 83])


def test_of_words_it_is_said_which_are_worse_than_the_best(settings):
    assert study_answer(settings, "settings") == (
        "draft: best 83.0 with their betas, not within 5 points of that with ours. "
        "ddim: best 94.0 with their betas, all within 5 points of that. "
        "full_diffusion: best 90.0 with ours, not within 5 points of that with without a mask, their betas."
    )


def test_what_no_task_has_gets_no_panel(results):
    figure = study_figure(results, "data")
    assert [axis.get_ylabel() for axis in figure.axes] == ["normalised score", "ms per plan"]
    results.scores["success"] = 0.5
    labels = [axis.get_ylabel() for axis in study_figure(results, "data").axes]
    assert "share of episodes at the goal" in labels


def test_a_study_of_which_the_run_has_one_task_is_not_shown(results):
    assert shown_studies(results) == ["data"]
    results.params["run"]["tasks"] = ["task-0"]
    assert shown_studies(results) == []


def test_the_page_has_question_picture_and_answer(params, tmp_path):
    tasks = {"maze-umaze": 1.0, "hopper-medium-expert": 2.0}
    params["run"]["experiments"] = []
    params["make_report"]["studies"] = {"data": STUDY | {"tasks": tasks}}
    write_run(params, tmp_path)
    (tmp_path / "report").mkdir()
    write_report(read_results(params, tmp_path), tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert "<h3>How much &lt;data&gt;?</h3>" in page and 'id="figure-study_data"' in page
    assert set(pd.read_csv(tmp_path / "report/studies.csv")["task"]) == set(tasks)
