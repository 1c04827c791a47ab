"""What tuning tried and chose: a picture and a table per task."""

import itertools

import numpy as np
from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import Results, run_planners
from trajectory_diffuser.reporting.heat_map import heat_map, scale_of
from trajectory_diffuser.reporting.style import panels
from trajectory_diffuser.reporting.tables import NOTHING, Table, minutes, setting, significant, span

COLUMNS_KEY = "target_return"  # from left to right; the other keys from top to bottom
NAMES = {"guidance": "guidance", "temperature": "temperature", "target_return": "target return"}


def tuned_planners(results: Results, task: str) -> list[str]:
    """The planners and policies that had trials."""
    return [name for name in run_planners(results.params) if _records(results, task, name)[0]["scores"]]


def tuning_grids(results: Results, task: str) -> Figure | None:
    """One panel per planner: the mean score of all seeds at each point, their choices framed, if any had."""
    of_all_seeds = {name: _records(results, task, name) for name in tuned_planners(results, task)}
    if not of_all_seeds:
        return None
    means = {name: _mean_scores(records) for name, records in of_all_seeds.items()}
    scale, rows = scale_of(means.values(), 1), max(map(len, means.values()))
    figure, axes = panels(len(means), columns=4, width=2.5, height=0.9 + 0.22 * rows)
    for axis, (name, records) in zip(axes, of_all_seeds.items(), strict=True):
        grid = records[0]["grid"]
        others = [key for key in grid if key != COLUMNS_KEY]
        columns = grid.get(COLUMNS_KEY, [""])
        lines = list(itertools.product(*(grid[key] for key in others)))
        framed = {
            (lines.index(tuple(chosen[key] for key in others)), columns.index(chosen.get(COLUMNS_KEY, "")))
            for chosen in ({key: record["values"][key] for key in grid} for record in records)
        }
        labels = [", ".join(map(setting, line)) for line in lines]
        heat_map(axis, means[name], labels, list(map(setting, columns)), scale, ".0f", framed)
        axis.set(title=name, xlabel="target return / best return")
        axis.set_ylabel(", ".join(NAMES[key] for key in others))
    return figure


def tuning_table(results: Results, task: str) -> Table:
    """What was chosen for every planner of a task, by seed, by which trials, at which cost."""
    headers = ["planner", *NAMES.values(), "in the environment's units", "score in trials", "grid points",
               "episodes each", "trial episodes", "time"]  # fmt: skip
    rows = []
    for name in run_planners(results.params):
        records = _records(results, task, name)
        tuned = bool(records[0]["scores"])
        choices = {key: _choices(records, key) for key in NAMES}
        returns = ", ".join(significant(record["target_return"]).replace(",", "") for record in records)
        rows.append(
            [
                name,
                *choices.values(),
                returns if choices[COLUMNS_KEY] != NOTHING else NOTHING,
                ", ".join(f"{record['score']:.1f}" for record in records) if tuned else NOTHING,
                str(len(records[0]["scores"])) if tuned else NOTHING,
                span([point["episodes"] for point in records[0]["scores"]]) if tuned else NOTHING,
                str(sum(record["episodes"] for record in records)),
                minutes(sum(record["seconds"] for record in records)) if tuned else NOTHING,
            ]
        )
    return Table(headers, rows)


def tuning_cost(results: Results, task: str) -> str:
    """How much the trials of a task took, in one sentence."""
    records = [each for name in run_planners(results.params) for each in _records(results, task, name)]
    episodes = sum(each["episodes"] for each in records)
    took = minutes(sum(each["seconds"] for each in records))
    if not episodes:
        return "There was nothing to choose, and so there were no trials."
    return (
        f"{episodes} trial episodes (computing time: {took}), with the models of training seeds "
        f"{', '.join(map(str, results.seeds))}, each tuned on its own, in environments from seed "
        f"{records[0]['first_environment_seed']} on, none of which is evaluated in."
    )


def _records(results: Results, task: str, name: str) -> list[dict]:
    """What was tried and chosen, of each seed; the grid is the same for all."""
    return [results.tuning[task, seed, name] for seed in results.seeds]


def _mean_scores(records: list[dict]) -> np.ndarray:
    """Over seeds [lines, columns]; what is not the target return varies from line to line."""
    grid = records[0]["grid"]
    scores = np.mean([[point["score"] for point in record["scores"]] for record in records], axis=0)
    scores = scores.reshape([len(values) for values in grid.values()])  # the points are in the grid's order
    if COLUMNS_KEY not in grid:
        return scores.reshape(-1, 1)
    scores = np.moveaxis(scores, list(grid).index(COLUMNS_KEY), -1)
    return scores.reshape(-1, scores.shape[-1])


def _choices(records: list[dict], key: str) -> str:
    """Each seed's value; `named` where the row says it, and nothing where it makes no difference."""
    if key in records[0]["grid"]:
        return ", ".join(f"{record['values'][key]:g}" for record in records)
    named = records[0]["row"].get(key, "tuned")
    return NOTHING if named == "tuned" else f"{named:g} (named)"
