"""The points of an experiment on the speed-return frontier, beside the run's own planners."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.experiment_figure import experiment_answer, where
from trajectory_diffuser.reporting.experiment_tables import point_means
from trajectory_diffuser.reporting.frontier import (
    draw_planners,
    fastest_first,
    join_best,
    name_planners,
    points,
)
from trajectory_diffuser.reporting.style import INK, panels, planner_colours
from trajectory_diffuser.reporting.tables import setting


def experiment_frontier(results: Results, task: str, experiment: str) -> Figure:
    """Time per decision against score, each point a dot of its planner's colour, and the run's planners.

    A line joins the points than which no other is both faster and better; each says what is varied.
    """
    figure, (axis,) = panels(1, columns=1, width=9.0, height=5.0)
    grid, planners = frontier_points(results, task, experiment), points(results, [task])
    join_best(axis, grid)
    for planner, own in grid.groupby("planner", sort=False):
        axis.scatter(
            own["milliseconds"], own["score"], s=12, color=planner_colours(results)[planner], alpha=0.6
        )
    _say_points(axis, grid[grid["best"]], list(results.params["experiments"][experiment]["vary"]))
    draw_planners(axis, results, planners, task)
    name_planners(axis, results, planners)
    return figure


def frontier_points(results: Results, task: str, experiment: str) -> pd.DataFrame:
    """A row per point, the fastest first: planner, what is varied, milliseconds, score (mean of seeds), best.

    `best` is whether no other point is both faster and better.
    """
    means = point_means(results, task, experiment)
    return fastest_first(means.rename(columns={"normalised_score": "score"}))


def experiment_sentences(results: Results, task: str, experiment: str) -> str:
    """All that is said of an experiment on a task: its answer, and its frontier."""
    return f"{experiment_answer(results, task, experiment)} {frontier_sentence(results, task, experiment)}"


def frontier_sentence(results: Results, task: str, experiment: str) -> str:
    """Which points no other beats in both time and score, from the fastest to the best."""
    keys = list(results.params["experiments"][experiment]["vary"])
    best = frontier_points(results, task, experiment).query("best")
    listed = "; ".join(
        f"{row['planner']}, {where(keys, row)}: {row['score']:.1f} in {row['milliseconds']:.3g} ms"
        for _, row in best.iterrows()
    )
    return f"No point is both faster and better than {listed}."


def _say_points(axis: Axes, best: pd.DataFrame, keys: list[str]) -> None:
    for _, row in best.iterrows():
        words = ", ".join(setting(row[key]) for key in keys)
        place = {"xytext": (3, -9), "textcoords": "offset points", "fontsize": "x-small", "color": INK}
        axis.annotate(words, (row["milliseconds"], row["score"]), **place)
