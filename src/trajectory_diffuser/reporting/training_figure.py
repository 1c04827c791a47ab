"""How much training each planner needs: its scores with the weights that were kept on the way."""

import math

import pandas as pd
from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import TRAINING_SCORE_COLUMNS, Results
from trajectory_diffuser.reporting.imitation import data_scores
from trajectory_diffuser.reporting.style import panels, plain_ticks, planner_looks, score_lines, seeds_line

CELL = ["task", "planner", "seed"]
POINT = [*CELL, "fraction"]


def points(results: Results) -> pd.DataFrame:
    """A row per planner and share of the training steps: POINT, episodes, score (their mean), minutes.

    Minutes are those of the networks that the planner uses, trained one after the other. The last point, of
    fraction 1, is the evaluation's own. All points of a planner are of the same episodes. Unknown minutes
    are NaN.
    """
    kept = results.training_scores
    whole = results.scores[results.scores["planner"].isin(kept["planner"])].assign(fraction=1.0)
    episodes = pd.concat([kept, whole])[list(TRAINING_SCORE_COLUMNS)]
    counts = episodes.groupby(POINT)["episode"].transform("count")
    shared = episodes[episodes["episode"] < counts.groupby([episodes[key] for key in CELL]).transform("min")]
    means = shared.groupby(POINT, sort=False)["normalised_score"].agg(["count", "mean"]).reset_index()
    means = means.rename(columns={"count": "episodes", "mean": "score"}).sort_values(POINT)
    minutes = [_minutes(results, *point) for point in means[POINT].itertuples(index=False)]
    return means.assign(minutes=minutes)


def score_against_training(results: Results) -> Figure:
    """One panel per task: minutes of training (log scale) against score, a line per planner."""
    table = points(results)
    figure, axes = panels(len(results.tasks), columns=2, width=4.2, height=3.2)
    for axis, task in zip(axes, results.tasks, strict=True):
        for planner in results.params["evaluate_training"]["planners"]:
            rows = table[(table["task"] == task) & (table["planner"] == planner)].groupby("fraction")
            seeds_line(axis, planner, planner_looks(results)[planner], rows["minutes"].mean(), rows["score"])
        score_lines(axis, data_scores(results, task))
        axis.set(title=task, xscale="log", xlabel="minutes of training", ylabel="normalised score")
        plain_ticks(axis.xaxis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4 if len(axes) > 1 else 2)
    return figure


def _minutes(results: Results, task: str, planner: str, seed: int, fraction: float) -> float:
    training, used = results.training, results.training_evaluations[task, seed, planner]["networks"]
    rows = training[(training["task"] == task) & (training["seed"] == seed) & training["model"].isin(used)]
    return sum(_seconds(row, fraction) for row in rows.itertuples()) / 60


def _seconds(training: tuple, fraction: float) -> float:
    if fraction == 1:
        return training.seconds
    seconds = (kept["seconds"] for kept in training.kept if math.isclose(kept["fraction"], fraction))
    return next(seconds, math.nan)
