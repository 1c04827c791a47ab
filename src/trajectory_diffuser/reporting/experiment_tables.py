"""What came of the experiments in numbers: the tables behind the pictures."""

import pandas as pd

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.tables import Table, setting, time

MEASURES = {  # column, what the axis says, format
    "normalised_score": ("normalised score", ".0f"),
    "plan_distance": ("distance between plans", ".2f"),
    "action_deviation": ("deviation of first actions", ".2f"),
    "action_entropy": ("entropy of first actions [bits]", ".1f"),
    "state_coverage": ("cells of the state space", ".0f"),
    "detour": ("share of plans on the detour", ".2f"),
    "through": ("share of plans through the wall", ".2f"),
}


def experiment_table(results: Results, task: str, experiment: str) -> pd.DataFrame:
    """A row per seed, planner and point: those, what is varied, MEASURES that it has, and milliseconds."""
    point = ["planner", *results.params["experiments"][experiment]["vary"]]
    tables = []
    for seed in results.seeds:
        points, episodes = results.experiments[task, seed, experiment]
        scores = episodes.groupby(point, sort=False)["normalised_score"].mean().reset_index()
        tables.append(points.merge(scores, on=point).assign(seed=seed))
    table = pd.concat(tables, ignore_index=True).merge(results.point_times[task, experiment], on=point)
    return table[["seed", *point, *(measure for measure in MEASURES if measure in table), "milliseconds"]]


def experiment_rows(results: Results) -> pd.DataFrame:
    """The tables of all experiments, one below the other: task, experiment, and their columns."""
    asked = dict.fromkeys((task, experiment) for task, _, experiment in results.experiments)
    tables = []
    for task, experiment in asked:
        table = experiment_table(results, task, experiment)
        table.insert(0, "task", task)
        table.insert(1, "experiment", experiment)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def point_means(results: Results, task: str, experiment: str) -> pd.DataFrame:
    """A row per planner and point: the columns of `experiment_table` but seed, means over seeds."""
    point = ["planner", *results.params["experiments"][experiment]["vary"]]
    table = experiment_table(results, task, experiment).drop(columns="seed")
    return table.groupby(point, sort=False).mean().reset_index()


def point_table(results: Results, task: str, experiment: str) -> Table:
    """A row for each planner and point: what is varied, MEASURES and time per decision, means over seeds."""
    keys = list(results.params["experiments"][experiment]["vary"])
    means = point_means(results, task, experiment)
    shown = {measure: look for measure, look in MEASURES.items() if measure in means}
    shown["normalised_score"] = ("normalised score", ".1f")
    rows = [
        [row["planner"]]
        + [setting(row[key]) for key in keys]
        + [format(row[measure], number) for measure, (_, number) in shown.items()]
        + [time(row["milliseconds"] / 1e3)]
        for _, row in means.iterrows()
    ]
    return Table(["planner", *map(words, keys), *(name for name, _ in shown.values()), "time"], rows)


def words(key: str) -> str:
    """The name of a key, for a reader."""
    return key.replace("_", " ")
