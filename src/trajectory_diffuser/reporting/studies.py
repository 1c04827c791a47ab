"""What becomes of planners along a quantity in which tasks differ: how much data, how long a horizon."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.style import panels, plain_ticks, planner_looks, seeds_line, value_ticks
from trajectory_diffuser.reporting.summaries import smallest_batch
from trajectory_diffuser.reporting.tables import Table

MEASURED = ["normalised_score", "success", "wall_crossing_fraction"]  # in every episode
MEASURES = {  # column: what the axis says
    "normalised_score": "normalised score",
    "success": "share of episodes at the goal",
    "wall_crossing_fraction": "share of a plan's segments through walls",
    "milliseconds": "ms per plan",
}


def shown_studies(results: Results) -> list[str]:
    """The studies of which the run has two tasks or more."""
    studies = results.params["make_report"]["studies"]
    return [name for name, study in studies.items() if len(set(study["tasks"]) & set(results.tasks)) > 1]


def study_rows(results: Results) -> pd.DataFrame:
    """The tables of all shown studies, one below the other."""
    return pd.concat([study_table(results, study) for study in shown_studies(results)], ignore_index=True)


def study_table(results: Results, study: str) -> pd.DataFrame:
    """A row per task of the study, planner and seed: study, task, value, planner, seed, and MEASURES' means.

    Rows are in the order of the values, then of the run's planners. What a task has none of is NaN.
    """
    values = results.params["make_report"]["studies"][study]["tasks"]
    scores = results.scores[results.scores["task"].isin(values)]
    table = scores.groupby(["task", "planner", "seed"])[MEASURED].mean().reset_index()
    times = 1e3 * smallest_batch(results)["seconds_per_plan"].rename("milliseconds")
    table = table.join(times, on=["task", "planner"]).assign(study=study, value=table["task"].map(values))
    order = pd.Categorical(table["planner"], results.planners)
    table = table.assign(order=order.codes).sort_values(["value", "order", "seed"], ignore_index=True)
    return table[["study", "task", "value", "planner", "seed", *MEASURES]]


def study_scores(results: Results, study: str) -> Table:
    """The mean score of each planner at each value."""
    quantity = results.params["make_report"]["studies"][study]["quantity"]
    means = study_table(results, study).pivot_table("normalised_score", "planner", "value")
    rows = [[planner, *(f"{mean:.1f}" for mean in means.loc[planner])] for planner in results.planners]
    return Table([f"planner; {quantity}", *(f"{value:g}" for value in means.columns)], rows)


def study_figure(results: Results, study: str) -> Figure:
    """A panel per measure that any task has: a line per planner, bars from the lowest to the highest seed."""
    settings, table = results.params["make_report"]["studies"][study], study_table(results, study)
    measures, looks = [column for column in MEASURES if table[column].notna().any()], planner_looks(results)
    figure, axes = panels(len(measures), columns=2, width=4.2, height=3.2)
    for axis, measure in zip(axes, measures, strict=True):
        for planner in results.planners:
            of_values = table[table["planner"] == planner].dropna(subset=measure).groupby("value")[measure]
            if of_values.ngroups:
                seeds_line(axis, planner, looks[planner], list(of_values.groups), of_values)
        axis.set(xscale="log", xlabel=settings["quantity"], ylabel=MEASURES[measure])
        value_ticks(axis.xaxis, sorted(table["value"].unique()))
        if measure == "milliseconds":
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4 if len(axes) > 1 else 2)
    return figure


def study_answer(results: Results, study: str) -> str:
    """From which value on each planner stays within the equivalence margin of its best, means over seeds."""
    table, sentences = study_table(results, study), []
    margin = results.params["make_report"]["equivalence_margin"]
    for planner in results.planners:
        means = table[table["planner"] == planner].groupby("value")["normalised_score"].mean()
        worse = np.flatnonzero(means < means.max() - margin)
        enough = means.index[worse[-1] + 1 :] if len(worse) else means.index
        if len(enough) == 0:
            said = f"falls to {means.iloc[-1]:.1f} at {means.index[-1]:g}"
        elif len(enough) == len(means):
            said = "makes no difference beyond the margin"
        else:
            said = f"from {enough[0]:g} on within {margin:g} points of that"
        sentences.append(f"{planner}: best {means.max():.1f} at {means.idxmax():g}, {said}.")
    return " ".join(sentences)
