"""What tuning tried and chose: a picture and a table per task."""

import itertools

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
    return [name for name in run_planners(results.params) if results.tuning[task, name]["grid"]]


def tuning_grids(results: Results, task: str) -> Figure | None:
    """One panel per planner: the mean score at each point of its grid, the chosen one framed, if any had."""
    tuned = tuned_planners(results, task)
    if not tuned:
        return None
    records = {name: results.tuning[task, name] for name in tuned}
    scores = [point["score"] for record in records.values() for point in record["scores"]]
    scale = Normalize(min(scores), max(max(scores), min(scores) + 1))
    colours = seaborn.color_palette("viridis", as_cmap=True)
    rows = max(len(record["scores"]) // len(_columns(record)) for record in records.values())
    figure, axes = panels(len(tuned), columns=4, width=2.5, height=0.9 + 0.22 * rows)
    for axis, (name, record) in zip(axes, records.items(), strict=True):
        columns, others = _columns(record), [key for key in record["grid"] if key != COLUMNS_KEY]
        lines = list(itertools.product(*(record["grid"][key] for key in others)))
        for point in record["scores"]:
            line = lines.index(tuple(point["values"][key] for key in others))
            column = columns.index(point["values"].get(COLUMNS_KEY))
            colour = colours(scale(point["score"]))
            axis.add_patch(Rectangle((column, line), 1, 1, facecolor=colour, edgecolor="none"))
            ink = "#000000" if scale(point["score"]) > 0.5 else "#ffffff"
            number = f"{point['score']:.0f}"
            axis.text(column + 0.5, line + 0.5, number, color=ink, size=7, ha="center", va="center")
            if all(record["values"][key] == value for key, value in point["values"].items()):
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
    """What was chosen for every planner of a task, by which trials, at which cost."""
    headers = ["planner", *NAMES.values(), "in the environment's units", "score in trials", "grid points",
               "episodes each", "trial episodes", "time"]  # fmt: skip
    rows = []
    for name in run_planners(results.params):
        record = results.tuning[task, name]
        tuned = bool(record["grid"])
        rows.append(
            [
                name,
                *(_choice(record, key) for key in NAMES),
                f"{record['target_return']:.0f}" if _choice(record, COLUMNS_KEY) != NOTHING else NOTHING,
                f"{record['score']:.1f}" if tuned else NOTHING,
                str(len(record["scores"])) if tuned else NOTHING,
                str(record["episodes_per_point"]) if tuned else NOTHING,
                str(record["episodes"]),
                f"{record['seconds'] / 60:.1f} min" if tuned else NOTHING,
            ]
        )
    return Table(headers, rows)


def tuning_cost(results: Results, task: str) -> str:
    """How much the trials of a task took, in one sentence."""
    records = [results.tuning[task, name] for name in run_planners(results.params)]
    episodes, minutes = (
        sum(each["episodes"] for each in records),
        sum(each["seconds"] for each in records) / 60,
    )
    if not episodes:
        return "All values are named in params.yaml: there were no trials."
    seeds = sorted({record["seed"] for record in records})
    first = records[0]["first_environment_seed"]
    return (
        f"{episodes} trial episodes in {minutes:.1f} minutes of computing, with the models of training seed "
        f"{', '.join(map(str, seeds))}, in environments from seed {first} on, none of which is evaluated in."
    )


def _columns(record: dict) -> list[float | None]:
    return record["grid"].get(COLUMNS_KEY, [None])


def _choice(record: dict, key: str) -> str:
    """A value; `named` where the row says it, and nothing where it makes no difference."""
    if key in record["grid"]:
        return f"{record['values'][key]:g}"
    named = record["row"].get(key, "tuned")
    return NOTHING if named == "tuned" else f"{named:g} (named)"


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
