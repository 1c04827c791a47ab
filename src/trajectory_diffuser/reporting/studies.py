"""What becomes of planners along that in which tasks differ: a quantity (data, horizon) or settings."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.style import panels, plain_ticks, planner_looks, seeds_line, value_ticks
from trajectory_diffuser.reporting.summaries import common_episodes, times_by_seed
from trajectory_diffuser.reporting.tables import Table, number

MEASURED = ["normalised_score", "success", "wall_crossing_fraction"]  # in every episode
OF_PLANS = {  # column of what plans are like: what a sentence says
    "success": "Share of episodes that reach the goal",
    "wall_crossing_fraction": "Share of plans' segments through walls",
    "plan_error": "Distance from planned to reached states of an episode, in the data's standard deviations",
}
MEASURES = {  # column: what the axis says
    "normalised_score": "normalised score",
    "success": "share of episodes at the goal",
    "wall_crossing_fraction": "share of a plan's segments through walls",
    "plan_error": "from planned to reached states [s.d. of the data]",
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

    Rows are in the order of `study_values`, then of the run's planners. What a task has none of is NaN.
    """
    values = results.params["make_report"]["studies"][study]["tasks"]
    scores = common_episodes(results).query("task in @values")
    table = scores.groupby(["task", "planner", "seed"])[MEASURED].mean().reset_index()
    times = 1e3 * times_by_seed(results)["seconds_per_plan"].rename("milliseconds")
    table = table.join(times, on=["task", "planner", "seed"]).assign(
        study=study, value=table["task"].map(values)
    )
    table["plan_error"] = [
        plan_error(results, *key) for key in table[["task", "seed", "planner"]].itertuples(index=False)
    ]
    table["place"] = table["value"].map(study_values(results, study).index)
    table["order"] = table["planner"].map(results.planners.index)
    table = table.sort_values(["place", "order", "seed"], ignore_index=True)
    return table[["study", "task", "value", "planner", "seed", *MEASURES]]


def plan_error(results: Results, task: str, seed: int, planner: str) -> float:
    """How far the states that plans aim at are from those that are reached, in the first episode.

    Root mean square over plans, planned states and dimensions, in standard deviations of the data; NaN where
    nothing is planned.
    """
    plans = results.plans.get((task, seed, planner))
    if plans is None:
        return float("nan")
    plan, reached = plans["plan"][:, 1:], plans["executed"]  # [plans, H - 1, obs], [L + 1, obs]
    ahead = results.params["tasks"][task]["stride"] * np.arange(1, 1 + plan.shape[1])  # [H - 1]
    steps = plans["steps"][:, None] + ahead  # [plans, H - 1]
    within = steps < len(reached)  # the episode goes on until then
    spread = results.data[task].states.std(axis=0)
    errors = (plan - reached[np.where(within, steps, 0)]) / np.where(spread > 0, spread, 1)
    return float(np.sqrt(np.square(errors[within]).mean()))


def study_scores(results: Results, study: str) -> Table:
    """The mean score of each planner at each value."""
    quantity = results.params["make_report"]["studies"][study]["quantity"]
    values = study_values(results, study)
    means = study_table(results, study).pivot_table("normalised_score", "planner", "value")[values]
    rows = [[planner, *(f"{mean:.1f}" for mean in means.loc[planner])] for planner in results.planners]
    return Table([f"planner; {quantity}", *map(_written, values)], rows)


def study_values(results: Results, study: str) -> list[float | str]:
    """The values of the run's tasks: numbers rising, names as they are listed."""
    tasks = results.params["make_report"]["studies"][study]["tasks"]
    values = list(dict.fromkeys(value for task, value in tasks.items() if task in results.tasks))
    return values if _has_names(values) else sorted(values)


def study_figure(results: Results, study: str) -> Figure:
    """A panel per measure that any task has: a line per planner, bars from the lowest to the highest seed."""
    settings, table = results.params["make_report"]["studies"][study], study_table(results, study)
    measures, looks = [column for column in MEASURES if table[column].notna().any()], planner_looks(results)
    values = study_values(results, study)
    places = {value: index if _has_names(values) else value for index, value in enumerate(values)}
    figure, axes = panels(len(measures), columns=2, width=4.2, height=3.2)
    for axis, measure in zip(axes, measures, strict=True):
        for planner in results.planners:
            own = table[table["planner"] == planner].dropna(subset=measure)
            of_values = own.groupby(own["value"].map(places))[measure]
            if of_values.ngroups:
                look = looks[planner] | ({"linestyle": "none"} if _has_names(values) else {})
                seeds_line(axis, planner, look, list(of_values.groups), of_values)
        axis.set(xlabel=settings["quantity"].replace("$", r"\$"), ylabel=MEASURES[measure])
        if _has_names(values):
            axis.set_xticks(range(len(values)), [fill(str(value), 14) for value in values])
            axis.margins(x=0.15)
        else:
            axis.set_xscale("log")
            value_ticks(axis.xaxis, values)
        if measure == "milliseconds":
            axis.set_yscale("log")
            plain_ticks(axis.yaxis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4 if len(axes) > 1 else 2)
    return figure


def study_sentences(results: Results, study: str) -> str:
    """All that is said of a study: its answer and, in mazes, what plans are like."""
    return f"{study_answer(results, study)} {study_plans(results, study)}".rstrip()


def study_answer(results: Results, study: str) -> str:
    """From which value on, or with which, each planner is within the equivalence margin of its best.

    Of means over seeds.
    """
    table, sentences = study_table(results, study), []
    values = study_values(results, study)
    margin = results.params["make_report"]["equivalence_margin"]
    for planner in results.planners:
        means = table[table["planner"] == planner].groupby("value")["normalised_score"].mean()[values]
        worse = means < means.max() - margin
        enough = means.index[np.flatnonzero(worse)[-1] + 1 :] if worse.any() else means.index
        if not worse.any():
            said = f"all within {margin:g} points of that"
        elif _has_names(values):
            said = f"not within {margin:g} points of that with {', '.join(map(_written, means.index[worse]))}"
        elif len(enough) == 0:
            said = f"falls to {means.iloc[-1]:.1f} at {_written(values[-1])}"
        else:
            said = f"from {enough[0]:g} on within {margin:g} points of that"
        where = f"{'with' if _has_names(values) else 'at'} {_written(means.idxmax())}"
        sentences.append(f"{planner}: best {means.max():.1f} {where}, {said}.")
    return " ".join(sentences)


def study_plans(results: Results, study: str) -> str:
    """What plans are like at each value, for each planner, in a sentence for each of OF_PLANS that there is.

    Means over seeds. Empty where no task has walls.
    """
    table, values = study_table(results, study), study_values(results, study)
    if table["wall_crossing_fraction"].isna().all():
        return ""
    sentences = []
    for measure, words in OF_PLANS.items():
        means = table.pivot_table(measure, "planner", "value").reindex(columns=values)
        each = "; ".join(
            f"{planner} {', '.join(number(mean, 2) for mean in means.loc[planner])}"
            for planner in results.planners
            if planner in means.index
        )
        if each:
            sentences.append(f"{words}, at {', '.join(map(_written, values))}: {each}.")
    return " ".join(sentences)


def _has_names(values: list[float | str]) -> bool:
    return any(isinstance(value, str) for value in values)


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"
