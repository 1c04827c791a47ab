"""Charts of scores, plan times and training."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.imitation import data_scores
from trajectory_diffuser.reporting.statistics import performance_profile
from trajectory_diffuser.reporting.style import (
    CONTROLS,
    INK,
    MARKERS,
    SEED_LINES,
    SUBJECT,
    panels,
    plain_ticks,
    planner_colours,
    planner_looks,
    score_lines,
    value_ticks,
)
from trajectory_diffuser.reporting.summaries import Scores, runs

SCALING_TITLES = {
    "horizon": "horizon [states]",
    "refine_steps": "refinement steps",
    "candidates": "candidates",
    "batch": "environments at once",
    "width": "width of the networks, times the run's",
}
PROFILE_POINTS = 500
CURVE_POINTS = 300  # a curve is averaged down to so many points: the page stays small, the shape stays


def scaling(results: Results, task: str) -> Figure:
    """One panel per varied quantity: plan times, log-log."""
    table = results.scaling[results.scaling["task"] == task]
    looks = planner_looks(results)
    quantities = list(dict.fromkeys(table["varied"]))
    figure, axes = panels(len(quantities), columns=3, width=2.9, height=2.6)
    for axis, quantity in zip(axes, quantities, strict=True):
        for planner, rows in table[table["varied"] == quantity].groupby("planner", sort=False):
            look = looks[planner] | {"markersize": 5, "linewidth": 1.0}
            axis.plot(rows["value"], 1e3 * rows["seconds_per_plan"], label=planner, **look)
        values = sorted(set(table.loc[table["varied"] == quantity, "value"]))
        axis.set(title=SCALING_TITLES[quantity], xscale="log", yscale="log", ylabel="time per plan [ms]")
        value_ticks(axis.xaxis, values)
        plain_ticks(axis.yaxis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def episode_scores(results: Results) -> Figure:
    """One panel per task: the score of every episode (marker by seed) over a box of its quartiles."""
    colours = planner_colours(results)
    height = 0.8 + 0.45 * len(results.planners)
    figure, axes = panels(len(results.tasks), columns=2, width=5.6, height=height)
    for axis, task in zip(axes, results.tasks, strict=True):
        scores = results.scores[results.scores["task"] == task]
        seaborn.boxplot(
            scores,
            x="normalised_score",
            y="planner",
            order=results.planners,
            hue="planner",
            palette=colours,
            width=0.6,
            showfliers=False,
            fill=False,
            linewidth=1.0,
            ax=axis,
        )
        for row, planner in enumerate(results.planners):
            for index, seed in enumerate(results.seeds):
                values = scores.loc[
                    (scores["planner"] == planner) & (scores["seed"] == seed), "normalised_score"
                ]
                axis.scatter(
                    values,
                    row + _jitter(len(values)),
                    s=14,
                    alpha=0.65,
                    linewidths=0,
                    marker=MARKERS[index % len(MARKERS)],
                    color=colours[planner],
                )
        score_lines(axis, data_scores(results, task), across=False)
        axis.set(title=task, xlabel="normalised score of an episode", ylabel="")
        axis.grid(axis="y", visible=False)
    lines = {line.get_label(): line for axis in axes for line in axis.get_legend_handles_labels()[0]}
    figure.legend(
        handles=[*_seed_markers(results.seeds), *lines.values()], loc="outside upper center", ncols=3
    )
    return figure


def performance_profiles(results: Results, scores: Scores) -> Figure:
    """The fraction of runs (a seed on a task) above each score; `scores` are `common_scores`."""
    figure, (axis,) = panels(1, columns=1, width=6.0, height=3.2)
    by_planner = {planner: runs(results, scores, planner) for planner in results.planners}
    scores_of_all = np.concatenate([own.ravel() for own in by_planner.values()])
    thresholds = np.linspace(scores_of_all.min() - 1, scores_of_all.max() + 1, PROFILE_POINTS)
    looks = planner_looks(results)
    for index, (planner, own) in enumerate(by_planner.items()):
        profile = performance_profile(own, thresholds)
        every = (5 * index, PROFILE_POINTS // 10)  # lines that coincide show the markers of both
        look = looks[planner] | {"markersize": 5, "markevery": every, "linewidth": 1.2}
        axis.plot(thresholds, profile, label=planner, **look)
    axis.set(xlabel="normalised score", ylabel="fraction of runs above it", ylim=(-0.03, 1.03))
    figure.legend(loc="outside right upper")
    return figure


def training_curves(results: Results, task: str) -> Figure:
    """One panel per model: training loss (thin) and validation loss (thick, dots), a line style per seed."""
    figure, axes = panels(len(results.models), columns=4, width=2.5, height=2.4)
    train, validation = CONTROLS[0], SUBJECT
    for axis, model in zip(axes, results.models, strict=True):
        curves = results.curves.query("task == @task and model == @model")
        for index, seed in enumerate(results.seeds):
            curve = curves[curves["seed"] == seed]
            line = SEED_LINES[index % len(SEED_LINES)]
            thin = _averaged(curve)
            axis.plot(thin["step"], thin["train_loss"], line, color=train, linewidth=0.9, alpha=0.8)
            held_out = curve.dropna(subset="validation_loss")
            steps, losses = held_out["step"], held_out["validation_loss"]
            axis.plot(steps, losses, line, color=validation, marker=".", linewidth=1.5)
        axis.set(title=model.replace("_", " "), xlabel="optimiser step", ylabel="loss")
        axis.locator_params(axis="x", nbins=4)
        if curves[["train_loss", "validation_loss"]].min().min() > 0:
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
    handles = [
        Line2D([], [], color=train, linewidth=0.9, label="training"),
        Line2D([], [], color=validation, marker=".", label="validation"),
    ]
    handles += [
        Line2D([], [], color=INK, linestyle=SEED_LINES[index % len(SEED_LINES)], label=f"seed {seed}")
        for index, seed in enumerate(results.seeds)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=6)
    return figure


def _jitter(count: int) -> np.ndarray:
    """Offsets [count] in (-0.2, 0.2) that spread neighbours apart; the golden ratio instead of chance."""
    return 0.4 * ((np.arange(count) * 0.6180339887) % 1.0 - 0.5)


def _seed_markers(seeds: list[int]) -> list[Line2D]:
    return [
        Line2D([], [], color=INK, linestyle="", marker=MARKERS[index % len(MARKERS)], label=f"seed {seed}")
        for index, seed in enumerate(seeds)
    ]


def _averaged(curve: pd.DataFrame) -> pd.DataFrame:
    bins = np.arange(len(curve)) * CURVE_POINTS // max(len(curve), CURVE_POINTS)
    return curve[["step", "train_loss"]].groupby(bins).mean()
