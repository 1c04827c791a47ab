"""What came of the experiments: for each task a picture, and a sentence computed from its numbers."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajectory_diffuser.environments.ways import DATA
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.experiment_tables import MEASURES, experiment_table, words
from trajectory_diffuser.reporting.failure_signs import draft_errors
from trajectory_diffuser.reporting.heat_map import heat_map, scale_of
from trajectory_diffuser.reporting.style import panels, planner_looks, seeds_line
from trajectory_diffuser.reporting.tables import percent, setting, span

FEWEST_TASKS = 3  # that are compared with one another


def experiment_figure(results: Results, task: str, experiment: str) -> Figure:
    """Scores above, distances between plans and, of two ways, shares of plans below; means over all seeds.

    Where two keys are varied there is a panel per planner, a grid; where one is (the other has a single
    value), one panel with a line per planner and bars from the lowest to the highest seed.
    """
    settings, table = results.params["experiments"][experiment], experiment_table(results, task, experiment)
    planners, vary = settings["planners"], settings["vary"]
    keys = [key for key, values in vary.items() if len(values) > 1] or list(vary)[:1]
    columns = len(planners) if len(keys) == 2 else 1
    rows = len(vary[keys[0]]) if len(keys) == 2 else 8
    measures = [measure for measure in MEASURES if measure in table]
    across = columns if len(keys) == 2 else 2
    figure, axes = panels(len(measures) * columns, across, width=3.4, height=0.9 + 0.24 * rows)
    for row, measure in enumerate(measures):
        name, number = MEASURES[measure]
        own = axes[row * columns : (row + 1) * columns]
        if len(keys) == 1:
            _lines(results, own[0], table, keys[0], planners, measure)
            own[0].set(xlabel=words(keys[0]), ylabel=name)
            continue
        grids = [_grid(table[table["planner"] == planner], vary, measure) for planner in planners]
        scale = scale_of(grids, 1e-9)
        for axis, planner, grid in zip(own, planners, grids, strict=True):
            labels = [[setting(value) for value in values] for values in vary.values()]
            heat_map(axis, grid, *labels, scale, number)
            axis.set(title=f"{planner}: {name}", xlabel=words(keys[1]), ylabel=words(keys[0]))
    return figure


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
            f"{planner} is best, {best['normalised_score']:.1f}, at {where(keys, best)}; {len(close)} of "
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
        steps = pd.Series(needed).rank()
        error = pd.Series([np.mean(errors[task]) for task in tasks]).rank()
        listed = ", ".join(f"{count:g} on {task}" for task, count in zip(tasks, needed, strict=True))
        sentence = f"The fewest steps with which {planner} is within {margin:g} of its best are {listed}"
        if steps.nunique() > 1 and error.nunique() > 1:
            sentence += f"; their rank correlation with how far drafts are off is {steps.corr(error):+.2f}"
        sentences.append(f"{sentence}.")
    return " ".join(sentences)


def _ways(results: Results, task: str, experiment: str, planner: str) -> str:
    """How many of a planner's plans take the detour, and go through the wall, from the least to the most."""
    keys = list(results.params["experiments"][experiment]["vary"])
    table = experiment_table(results, task, experiment)
    own = table[table["planner"] == planner]
    shares = own.groupby(keys, sort=False)[["detour", "through"]].mean().reset_index()
    said = []
    for way in ("detour", "through"):
        least, most = (percent(share, 0) for share in (shares[way].min(), shares[way].max()))
        at = where(keys, shares.loc[shares[way].idxmax()])
        said.append(most if least == most else f"{least} to {most}, most at {at},")
    data = results.ways[task, results.seeds[0]][0].set_index("planner").loc[DATA, "detour"]
    return (
        f"Of its plans {said[0]} take the detour, as {percent(data, 0)} of the data do; {said[1]} lead "
        "through the wall."
    )


def _points(results: Results, task: str, experiment: str, planner: str) -> pd.DataFrame:
    """A row per point: what is varied, `normalised_score` (mean of seeds), `good` (within the margin)."""
    keys = list(results.params["experiments"][experiment]["vary"])
    table = experiment_table(results, task, experiment)
    own = table[table["planner"] == planner]
    means = own.groupby(keys, sort=False)["normalised_score"].mean().reset_index()
    lowest = means["normalised_score"].max() - results.params["make_report"]["equivalence_margin"]
    return means.assign(good=means["normalised_score"] >= lowest)


def _lines(
    results: Results, axis: Axes, table: pd.DataFrame, key: str, planners: list[str], measure: str
) -> None:
    for planner in planners:
        of_seeds = table[table["planner"] == planner].groupby(key, sort=False)[measure]
        seeds_line(axis, planner, planner_looks(results)[planner], of_seeds.first().index, of_seeds)
    axis.legend(fontsize="small")


def _grid(table: pd.DataFrame, vary: dict[str, list], measure: str) -> np.ndarray:
    """Means over seeds [values of the first key, of the second]; NaN where there is no such planner."""
    means = table.pivot_table(measure, *vary, aggfunc="mean")
    rows, columns = vary.values()
    return means.reindex(index=rows, columns=columns).to_numpy(float)


def where(keys: list[str], point: pd.Series) -> str:
    """What is varied and its values at a point."""
    return ", ".join(f"{words(key)} {setting(point[key])}" for key in keys)
