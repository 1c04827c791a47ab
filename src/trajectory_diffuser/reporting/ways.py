"""Two ways through a maze: which planner keeps both, and which plans between them, through the wall."""

import pandas as pd
from matplotlib.figure import Figure

from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.environments.ways import DATA, WAYS
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.plan_figures import draw_path, draw_walls
from trajectory_diffuser.reporting.style import INK, panels, planner_colours
from trajectory_diffuser.reporting.summaries import headline
from trajectory_diffuser.reporting.tables import NOTHING, Table, number, percent, time

SHOWN_PATHS = 64  # evenly over all, of each planner
NAMES = {
    "shortest": "the shortest way",
    "detour": "the detour",
    "through": "through the wall",
    "neither": "not so far",
}


def tasks_with_ways(results: Results) -> list[str]:
    """The tasks whose data were collected with detours."""
    return [task for task in results.tasks if (task, results.seeds[0]) in results.ways]


def way_rows(results: Results) -> pd.DataFrame:
    """A row per task, seed and planner, the data first: the shares of WAYS, and of how many plans."""
    tables = [
        table.assign(task=task, seed=seed)[["task", "seed", *table.columns]]
        for (task, seed), (table, _) in results.ways.items()
    ]
    return pd.concat(tables, ignore_index=True)


def way_table(results: Results, task: str) -> Table:
    """Means over seeds, in brackets the lowest and highest: ways of plans, and what came of acting."""
    rows, acted = [], headline(results, [task]).set_index("planner")
    for planner in [DATA, *results.planners]:
        table = way_rows(results).query("task == @task and planner == @planner")
        planned = [_share(table[way]) for way in WAYS] if len(table) else [NOTHING] * len(WAYS)
        episodes = [NOTHING] * 4
        if planner != DATA:
            row = acted.loc[planner]
            episodes = [percent(row["shortest_way"], 0), percent(row["success"], 0)]
            episodes += [number(row["mean"], 1), time(row["seconds_per_plan"])]
        rows.append([planner, *planned, *episodes])
    headers = ["planner", *(f"plans: {name}" for name in NAMES.values())]
    headers += ["episodes: the shortest way", "arrived", "score (mean)", "time per plan"]
    return Table(headers, rows, marked=results.subject)


def way_answer(results: Results, task: str) -> str:
    """Whose shares are nearest to the data's, whose furthest, and whose plans go through the wall."""
    rows = way_rows(results).query("task == @task").set_index(["planner", "seed"])[list(WAYS)]
    data, planned = rows.loc[DATA], rows.drop(index=DATA, level="planner")
    # Seed by seed: the mean of one that goes left and one that goes right would look like both ways.
    of_seeds = planned.sub(data, level="seed").abs().sum(axis=1).groupby("planner", sort=False)
    wrong, planned = of_seeds.mean() / 2, planned.groupby("planner", sort=False)
    data, through = data.mean(), planned["through"].mean()
    nearest, furthest = wrong.idxmin(), wrong.idxmax()
    worst = through.idxmax()
    sentences = [
        f"The data go the shortest way in {percent(data['shortest'], 0)} of the episodes and the detour in "
        f"{percent(data['detour'], 0)}."
    ]
    if wrong[nearest] == wrong[furthest]:
        sentences.append(f"Of every planner's plans {percent(wrong[nearest], 0)} would have to go otherwise.")
    else:
        share = percent(wrong[nearest], 0)
        sentences.append(f"{nearest} is nearest to that: {share} of its plans would have to go otherwise.")
        sentences.append(f"{furthest} is furthest, by {percent(wrong[furthest], 0)}.")
    if through[worst] > 0:
        share = percent(through[worst], 1)
        sentences.append(f"{worst} leads most plans through the wall, {share}.")
    else:
        sentences.append("No plan leads through the wall.")
    if alone := [name for name, own in planned if own[["shortest", "detour"]].max(axis=1).eq(1).all()]:
        sentences.append(f"Only one of the ways is planned by: {', '.join(alone)}.")
    return " ".join(sentences)


def way_figure(results: Results, task: str) -> Figure:
    """Paths of the data, and plans of every planner at the start, with the models of the first seed."""
    maze = Maze.from_json(results.provenance[task]["maze"])
    colours = planner_colours(results) | {DATA: INK}
    paths = results.ways[task, results.seeds[0]][1]
    shown = [DATA, *results.with_plans]
    figure, axes = panels(len(shown), columns=5, width=2.0, height=2.2)
    for axis, planner in zip(axes, shown, strict=True):
        draw_walls(axis, maze)
        for path in paths[planner][:: -(-len(paths[planner]) // SHOWN_PATHS)]:
            draw_path(axis, path, colours[planner], "-", linewidth=0.7, alpha=0.4)
        axis.set_title(planner)
    return figure


def _share(shares: pd.Series) -> str:
    lowest, mean, highest = (f"{100 * value:.0f}" for value in (shares.min(), shares.mean(), shares.max()))
    return f"{mean} %" if lowest == highest else f"{mean} % ({lowest} to {highest})"
