"""What came of the experiments: for each task a picture, and a sentence computed from its numbers."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from trajectory_diffuser.environments.ways import DATA
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.experiment_tables import MEASURES, experiment_table, point_means, words
from trajectory_diffuser.reporting.failure_signs import draft_errors
from trajectory_diffuser.reporting.heat_map import heat_map, scale_of
from trajectory_diffuser.reporting.style import panels, planner_looks, seeds_line
from trajectory_diffuser.reporting.tables import percent, setting, span

FEWEST_TASKS = 3  # that are compared with one another


def experiment_figure(results: Results, task: str, experiment: str) -> Figure:
    """A panel for each of MEASURES: of one key that varies, or of two a row of panels, a grid per planner."""
    vary = results.params["experiments"][experiment]["vary"]
    varied = [key for key, values in vary.items() if len(values) > 1] or list(vary)[:1]
    draw = _grids if len(varied) == 2 else _lines
    return draw(results, task, experiment, varied)


def experiment_answer(results: Results, task: str, experiment: str) -> str:
    """For each planner the best point, which others score as well (by the margin), and its plans' ways."""
    settings = results.params["experiments"][experiment]
    margin = results.params["make_report"]["equivalence_margin"]
    keys = list(settings["vary"])
    sentences = []
    for planner in settings["planners"]:
        own = _points(results, task, experiment, planner)
        best = own.loc[own["normalised_score"].idxmax()]
        close = own[own["good"]]
        ranges = "; ".join(f"{words(key)} {span(close[key])}" for key in keys)
        sentences.append(
            f"{planner}: best {best['normalised_score']:.1f} at {where(keys, best)}; {len(close)} of "
            f"{len(own)} points are within {margin:g} of that, with {ranges}."
        )
        if (task, results.seeds[0]) in results.ways:
            sentences.append(_ways(results, task, experiment, planner))
    return " ".join(sentences)


def refinement_and_drafts(results: Results, experiment: str) -> str:
    """Whether worse drafts need more refinement; empty where too few tasks, or other keys, are varied.

    What a planner needs on a task are the fewest steps that score as well as its best point, by the
    equivalence margin; how bad drafts are says `failure_signs.draft_errors`.
    """
    settings = results.params["experiments"][experiment]
    margin = results.params["make_report"]["equivalence_margin"]
    asked = results.params["run"]["experiment_tasks"]
    errors = {task: draft_errors(results, task) for task in asked}
    tasks = [task for task in asked if errors[task]]
    if "refine_steps" not in settings["vary"] or len(tasks) < FEWEST_TASKS:
        return ""
    sentences = []
    for planner in settings["planners"]:
        if results.params["planners"][planner]["start"] != "draft":
            continue
        of_tasks = [_points(results, task, experiment, planner) for task in tasks]
        needed = [own.loc[own["good"], "refine_steps"].min() for own in of_tasks]
        steps, error = pd.Series(needed), pd.Series([np.mean(errors[task]) for task in tasks])
        listed = ", ".join(f"{count:g} on {task}" for task, count in zip(tasks, needed, strict=True))
        sentence = f"The fewest steps with which {planner} is within {margin:g} of its best are {listed}"
        if steps.nunique() > 1 and error.nunique() > 1:
            correlation = steps.rank().corr(error.rank())
            sentence += f"; their rank correlation with how far drafts are off is {correlation:+.2f}"
        sentences.append(f"{sentence}.")
    return " ".join(sentences)


def _ways(results: Results, task: str, experiment: str, planner: str) -> str:
    """How many of a planner's plans take the detour, and go through the wall, from the least to the most."""
    keys = list(results.params["experiments"][experiment]["vary"])
    shares = _points(results, task, experiment, planner)
    said = []
    for way in ("detour", "through"):
        least, most = (percent(share, 0) for share in (shares[way].min(), shares[way].max()))
        at = where(keys, shares.loc[shares[way].idxmax()])
        said.append(most if least == most else f"{least} to {most}, most at {at},")
    data = results.ways[task, results.seeds[0]][0].set_index("planner").loc[DATA, "detour"]
    return (
        f"Of its plans {said[0]} take the detour, where {percent(data, 0)} of the data do; {said[1]} lead "
        "through the wall."
    )


def _points(results: Results, task: str, experiment: str, planner: str) -> pd.DataFrame:
    """A planner's rows of `point_means`, with `good`: whether the score is within the margin of the best."""
    own = point_means(results, task, experiment).query("planner == @planner")
    lowest = own["normalised_score"].max() - results.params["make_report"]["equivalence_margin"]
    return own.assign(good=own["normalised_score"] >= lowest)


def _lines(results: Results, task: str, experiment: str, varied: list[str]) -> Figure:
    """A line per planner along the one key that varies, bars from the lowest to the highest seed."""
    table, (key,) = experiment_table(results, task, experiment), varied
    measures = [measure for measure in MEASURES if measure in table]
    figure, axes = panels(len(measures), columns=2, width=3.4, height=2.8)
    for axis, measure in zip(axes, measures, strict=True):
        for planner in results.params["experiments"][experiment]["planners"]:
            of_seeds = table[table["planner"] == planner].groupby(key)[measure]
            seeds_line(axis, planner, planner_looks(results)[planner], list(of_seeds.groups), of_seeds)
        axis.set(xlabel=words(key), ylabel=MEASURES[measure][0])
        axis.legend(fontsize="small")
    return figure


def _grids(results: Results, task: str, experiment: str, varied: list[str]) -> Figure:
    """The two keys from top to bottom and from left to right; empty where there is no such planner."""
    settings, table = results.params["experiments"][experiment], point_means(results, task, experiment)
    planners, (rows, columns) = settings["planners"], settings["vary"].values()
    measures = [measure for measure in MEASURES if measure in table]
    height = 0.9 + 0.24 * len(rows)
    figure, axes = panels(len(measures) * len(planners), len(planners), width=3.4, height=height)
    labels = [list(map(setting, values)) for values in (rows, columns)]
    for measure, own in zip(measures, np.reshape(axes, (len(measures), -1)), strict=True):
        name, number = MEASURES[measure]
        pivots = [
            table[table["planner"] == planner].pivot(index=varied[0], columns=varied[1], values=measure)
            for planner in planners
        ]
        grids = [pivot.reindex(index=rows, columns=columns).to_numpy(float) for pivot in pivots]
        scale = scale_of(grids, 1e-9)
        for axis, planner, grid in zip(own, planners, grids, strict=True):
            heat_map(axis, grid, *labels, scale, number)
            axis.set(title=f"{planner}: {name}", xlabel=words(varied[1]), ylabel=words(varied[0]))
    return figure


def where(keys: list[str], point: pd.Series) -> str:
    """What is varied and its values at a point."""
    return ", ".join(f"{words(key)} {setting(point[key])}" for key in keys)
