"""Score against training: the right points, at the right minutes."""

import numpy as np
import pytest

from trajectory_diffuser.reporting.training_figure import points, score_against_training

TASK = "maze-umaze"


def of(table, planner, seed, task=TASK):
    chosen = (table["task"] == task) & (table["planner"] == planner) & (table["seed"] == seed)
    return table[chosen].set_index("fraction")


def test_minutes_are_those_of_the_networks_that_the_planner_uses(results):
    table = points(results)
    for planner, seconds in (
        ("draft", 120 + 60),
        ("trajectory_diffuser", 120 + 480 + 60),
        ("ddim", 480 + 60),
    ):
        minutes = of(table, planner, 0)["minutes"]
        networks = 2 + (planner == "trajectory_diffuser")
        expected = [(share * seconds + networks) / 60 for share in (0.125, 0.25, 0.5)] + [seconds / 60]
        assert minutes.tolist() == pytest.approx(expected)
        assert minutes.index.tolist() == [0.125, 0.25, 0.5, 1.0]


def test_scores_are_means_and_the_last_one_is_the_evaluations_over_the_same_episodes(results):
    table = points(results)
    assert len(table) == 2 * 3 * 2 * 4
    assert set(table["episodes"]) == {4}
    for seed in (0, 1):
        whole = results.scores.query("task == @TASK and seed == @seed and planner == 'ddim' and episode < 4")
        scores = of(table, "ddim", seed)["score"]
        assert scores.tolist() == pytest.approx(
            [10 + seed + 0.5, 20 + seed + 0.5, 40 + seed + 0.5, whole["normalised_score"].mean()]
        )


def test_where_the_evaluation_has_fewer_episodes_those_are_compared(results):
    results.scores.drop(results.scores.query("planner == 'draft' and episode > 1").index, inplace=True)
    table = points(results)
    assert of(table, "draft", 0)["episodes"].tolist() == [2] * 4
    assert of(table, "draft", 0).loc[0.125, "score"] == pytest.approx(10 - 0.5)
    assert of(table, "ddim", 0)["episodes"].tolist() == [4] * 4


def test_the_figure_has_a_panel_per_task_and_a_line_per_planner_with_the_spread_of_seeds(results):
    table = points(results)
    figure = score_against_training(results)
    assert [axis.get_title() for axis in figure.axes] == results.tasks
    axis = figure.axes[1]
    lines = {container.get_label(): container for container in axis.containers}
    assert list(lines) == ["draft", "trajectory_diffuser", "ddim"]
    for planner, container in lines.items():
        line, _, (bars,) = container
        both = [of(table, planner, seed) for seed in (0, 1)]
        np.testing.assert_allclose(line.get_xdata(orig=False), both[0]["minutes"])
        np.testing.assert_allclose(line.get_ydata(orig=False), (both[0]["score"] + both[1]["score"]) / 2)
        ends = np.array([segment[:, 1] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends, np.sort(np.stack([each["score"] for each in both], axis=1)))
    assert axis.get_xscale() == "log"
