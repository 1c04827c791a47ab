"""What tuning tried and chose: a picture and a table per task."""

import itertools

import numpy as np
import seaborn
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from trajectory_diffuser.reporting.artefacts import Results, run_planners
from trajectory_diffuser.reporting.style import INK, panels
from trajectory_diffuser.reporting.tables import NOTHING, Table

COLUMNS_KEY = "target_return"  # from left to right; the other keys from top to bottom
NAMES = {"guidance": "guidance", "temperature": "temperature", "target_return": "target return"}


def tuned_planners(results: Results, task: str) -> list[str]:
    """The planners and policies that had trials."""
    return [name for name in run_planners(results.params) if _records(results, task, name)[0]["grid"]]


def tuning_grids(results: Results, task: str) -> Figure | None:
    """One panel per planner: the mean score of all seeds at each point, their choices framed, if any had."""
    tuned = tuned_planners(results, task)
    if not tuned:
        return None
    of_all_seeds = {name: _records(results, task, name) for name in tuned}
    means = {name: _mean_scores(records) for name, records in of_all_seeds.items()}
    every = np.concatenate(list(means.values()))
    scale = Normalize(every.min(), max(every.max(), every.min() + 1))
    colours = seaborn.color_palette("viridis", as_cmap=True)
    rows = max(len(means[name]) // len(_columns(records[0])) for name, records in of_all_seeds.items())
    figure, axes = panels(len(tuned), columns=4, width=2.5, height=0.9 + 0.22 * rows)
    for axis, (name, records) in zip(axes, of_all_seeds.items(), strict=True):
        grid = records[0]["grid"]
        columns, others = _columns(records[0]), [key for key in grid if key != COLUMNS_KEY]
        lines = list(itertools.product(*(grid[key] for key in others)))
        for point, mean in zip(records[0]["scores"], means[name], strict=True):
            line = lines.index(tuple(point["values"][key] for key in others))
            column = columns.index(point["values"].get(COLUMNS_KEY))
            axis.add_patch(Rectangle((column, line), 1, 1, facecolor=colours(scale(mean)), edgecolor="none"))
            ink = "#000000" if scale(mean) > 0.5 else "#ffffff"
            axis.text(column + 0.5, line + 0.5, f"{mean:.0f}", color=ink, size=7, ha="center", va="center")
            if any(_is_choice(record, point["values"]) for record in records):
                frame = {"facecolor": "none", "edgecolor": INK, "linewidth": 2.5, "clip_on": False}
                axis.add_patch(Rectangle((column, line), 1, 1, zorder=3, **frame))
        axis.set(xlim=(0, len(columns)), ylim=(len(lines), 0), title=name)
        axis.set_xticks([index + 0.5 for index in range(len(columns))], [_text(value) for value in columns])
        labels = [", ".join(map(_text, line)) for line in lines]
        axis.set_yticks([index + 0.5 for index in range(len(lines))], labels)
        axis.set(xlabel="target return / best return", ylabel=", ".join(NAMES[key] for key in others))
        axis.tick_params(length=0, labelsize=7)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
    return figure


def tuning_table(results: Results, task: str) -> Table:
    """What was chosen for every planner of a task, by seed, by which trials, at which cost."""
    headers = ["planner", *NAMES.values(), "in the environment's units", "score in trials", "grid points",
               "episodes each", "trial episodes", "time"]  # fmt: skip
    rows = []
    for name in run_planners(results.params):
        records = _records(results, task, name)
        tuned = bool(records[0]["grid"])
        choices = {key: _choices(records, key) for key in NAMES}
        returns = ", ".join(f"{record['target_return']:.0f}" for record in records)
        rows.append(
            [
                name,
                *choices.values(),
                returns if choices[COLUMNS_KEY] != NOTHING else NOTHING,
                ", ".join(f"{record['score']:.1f}" for record in records) if tuned else NOTHING,
                str(len(records[0]["scores"])) if tuned else NOTHING,
                str(records[0]["episodes_per_point"]) if tuned else NOTHING,
                str(sum(record["episodes"] for record in records)),
                f"{sum(record['seconds'] for record in records) / 60:.1f} min" if tuned else NOTHING,
            ]
        )
    return Table(headers, rows)


def tuning_cost(results: Results, task: str) -> str:
    """How much the trials of a task took, in one sentence."""
    records = [each for name in run_planners(results.params) for each in _records(results, task, name)]
    episodes = sum(each["episodes"] for each in records)
    minutes = sum(each["seconds"] for each in records) / 60
    if not episodes:
        return "All values are named in params.yaml: there were no trials."
    return (
        f"{episodes} trial episodes in {minutes:.1f} minutes of computing, with the models of training seeds "
        f"{', '.join(map(str, results.seeds))}, each tuned on its own, in environments from seed "
        f"{records[0]['first_environment_seed']} on, none of which is evaluated in."
    )


def _records(results: Results, task: str, name: str) -> list[dict]:
    """What was tried and chosen, of each seed; the grid is the same for all."""
    return [results.tuning[task, seed, name] for seed in results.seeds]


def _mean_scores(records: list[dict]) -> np.ndarray:
    return np.mean([[point["score"] for point in record["scores"]] for record in records], axis=0)  # [points]


def _is_choice(record: dict, point: dict[str, float]) -> bool:
    return all(record["values"][key] == value for key, value in point.items())


def _columns(record: dict) -> list[float | None]:
    return record["grid"].get(COLUMNS_KEY, [None])


def _choices(records: list[dict], key: str) -> str:
    """Each seed's value; `named` where the row says it, and nothing where it makes no difference."""
    if key in records[0]["grid"]:
        return ", ".join(f"{record['values'][key]:g}" for record in records)
    named = records[0]["row"].get(key, "tuned")
    return NOTHING if named == "tuned" else f"{named:g} (named)"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
