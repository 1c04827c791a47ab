"""The speed-return frontier: what a decision takes against what it is worth, every planner by its name."""

import pandas as pd
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import Results, run_planners
from trajectory_diffuser.reporting.imitation import data_scores
from trajectory_diffuser.reporting.style import (
    INK,
    panels,
    plain_ticks,
    planner_colours,
    planner_looks,
    score_lines,
)
from trajectory_diffuser.reporting.summaries import runs
from trajectory_diffuser.reporting.verdict import Evidence


def frontier(results: Results, scopes: dict[str, list[str]]) -> Figure:
    """A panel for each of `scopes`, by title the tasks that it is about: time per decision against score.

    Time is on a log scale, scores are means with bars from the lowest to the highest seed. A line joins the
    planners than which no other is both faster and better; two more are at the scores of the data, where
    they are known for all of the tasks.
    """
    figure, axes = panels(len(scopes), columns=1, width=9.0, height=4.0)
    for axis, (title, tasks) in zip(axes, scopes.items(), strict=True):
        table = points(results, tasks)
        join_best(axis, table)
        draw_planners(axis, results, table, title)
        _draw_data(axis, results, tasks)
        name_planners(axis, results, table)
    return figure


def points(results: Results, tasks: list[str]) -> pd.DataFrame:
    """A row for each planner that was timed, the fastest first.

    Columns: planner, milliseconds (per decision at the smallest batch, a geometric mean over tasks), score,
    lowest and highest (seed), best (whether none is both faster and better).
    """
    evidence = Evidence(results)
    columns, rows = [results.tasks.index(task) for task in tasks], []
    for planner in run_planners(results.params):
        own = runs(results, evidence.scores, planner)[:, columns].mean(axis=1)  # [seeds]
        numbers = {"score": own.mean(), "lowest": own.min(), "highest": own.max()}
        rows.append({"planner": planner, "milliseconds": 1e3 * evidence.seconds(planner, tasks)} | numbers)
    return fastest_first(pd.DataFrame(rows))


def fastest_first(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with milliseconds and score in order, and `best`: whether none is both faster and better."""
    table = table.sort_values("milliseconds", ignore_index=True)
    return table.assign(best=table["score"] > table["score"].cummax().shift(fill_value=float("-inf")))


def join_best(axis: Axes, table: pd.DataFrame) -> None:
    """The line through the best of a table of `fastest_first`."""
    best, line = table[table["best"]], {"color": INK, "linewidth": 0.8, "alpha": 0.5, "zorder": 1}
    axis.step(best["milliseconds"], best["score"], where="post", **line)


def draw_planners(axis: Axes, results: Results, table: pd.DataFrame, title: str) -> None:
    """Markers and bars of `points`, and the axes' own words."""
    looks = planner_looks(results)
    for row in table.itertuples():
        axis.errorbar(
            row.milliseconds,
            row.score,
            yerr=[[max(row.score - row.lowest, 0.0)], [max(row.highest - row.score, 0.0)]],
            **looks[row.planner],
            markersize=8,
            capsize=2,
            elinewidth=1.0,
        )
    axis.set(title=title, xscale="log", xlabel="time per decision [ms]", ylabel="normalised score")
    axis.margins(x=0.1, y=0.2)  # room for names
    plain_ticks(axis.xaxis)


def _draw_data(axis: Axes, results: Results, tasks: list[str]) -> None:
    """Lines at the means over tasks of the data's scores, named in the margin."""
    scores = (
        pd.DataFrame([data_scores(results, task) for task in tasks]).mean(skipna=False).dropna().to_dict()
    )
    for (name, score), side in zip(scores.items(), ("top", "bottom"), strict=False):
        name = name.replace(" of ", "\nof ")
        axis.text(1.0, score, name, va=side, fontsize="small", transform=axis.get_yaxis_transform())
    score_lines(axis, scores)


def name_planners(axis: Axes, results: Results, table: pd.DataFrame) -> None:
    """Write every planner's name beside its marker, apart from bars and other names, with a line to it."""
    colours = planner_colours(results)
    names = [
        axis.text(
            row.milliseconds,
            row.score,
            row.planner,
            va="bottom",
            color=colours[row.planner],
            weight="bold" if row.planner == results.subject else "normal",
        )
        for row in table.itertuples()
    ]
    taken = table.melt("milliseconds", ["score", "lowest", "highest"])
    line = {"arrowstyle": "-", "color": INK, "linewidth": 0.5, "alpha": 0.6}
    forces = {"expand": (1.05, 1.7), "force_text": (0.2, 0.5), "force_static": (0.1, 0.5), "only_move": "y"}
    # So many moves, and not as many as fit into a second: the same figure on any machine.
    limits = {"iter_lim": 500, "ax": axis, "arrowprops": line}
    adjust_text(names, taken["milliseconds"], taken["value"], **forces, **limits)
