"""The page's tables, as text."""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.summaries import headline, mean_times, over_tasks

NOTHING = "-"  # a cell without a value


@dataclass(frozen=True)
class Table:
    """Headers and rows of text: `names` columns of names, then numbers; the row named `marked` stands out."""

    headers: list[str]
    rows: list[list[str]]
    names: int = 1
    marked: str | None = None


def headline_table(results: Results, task: str) -> Table:
    """Scores, success, wall crossings and plan times of every planner on one task."""
    numbers = headline(results, [task])
    level = f"{100 * results.params['make_report']['confidence']:g} %"
    headers = [
        "planner",
        "score (mean)",
        "lowest and highest seed",
        f"{level} interval",
        "episodes",
        "success",
        "segments through walls",
        "on the shortest way",
        f"time per plan, batch {numbers['batch'].iloc[0]}",
        "decisions per second",
    ]
    rows = [
        [
            row.planner,
            number(row.mean, 1),
            _range(row.lowest, row.highest) if row.seeds > 1 else NOTHING,
            _range(row.low, row.high),
            f"{row.episodes} ({row.seeds} {'seed' if row.seeds == 1 else 'seeds'})",
            percent(row.success, 0),
            percent(row.wall_crossing, 1),
            percent(row.shortest_way, 0),
            time(row.seconds_per_plan),
            number(row.decisions_per_second, 0),
        ]
        for row in numbers.itertuples()
    ]
    used = [index for index in range(len(headers)) if any(row[index] != NOTHING for row in rows)]
    rows = [[row[index] for index in used] for row in rows]
    return Table([headers[index] for index in used], rows, marked=results.subject)


def over_tasks_table(results: Results) -> Table:
    """What rliable reports over several tasks, for every planner."""
    headers = ["planner", "mean", "interquartile mean", f"probability that {results.subject} improves on it"]
    rows = [
        [
            row.planner,
            number(row.mean, 1),
            number(row.interquartile_mean, 1),
            number(row.improved_by_subject, 2) if row.planner != results.subject else NOTHING,
        ]
        for row in over_tasks(results).itertuples()
    ]
    return Table(headers, rows, marked=results.subject)


def planner_table(results: Results) -> Table:
    """The rows of params.yaml that the planners are, as they were evaluated."""
    keys = ["start", "redraft_every", "refine_steps", "last_steps", "forward_noise", "sampler",
            "candidates", "selection", "actions_per_plan", "guidance", "temperature",
            "target_return"]  # fmt: skip
    rows = []
    for planner in results.with_plans:
        row = results.evaluations[results.tasks[0], results.seeds[0], planner]["planner_row"]
        rows.append([planner, *(setting(row.get(key, NOTHING)) for key in keys)])
    return Table(["planner", *(key.replace("_", " ") for key in keys)], rows, marked=results.subject)


def latency_table(results: Results, task: str) -> Table:
    """What plans cost: every planner at every measured batch, in the mean over seeds."""
    headers = ["planner", "batch", "median", "95th percentile", "mean", "plans per second",
               "decisions per second", "network calls", "MFLOP", "bare networks", "time over bare networks",
               "repetitions", "device", "threads"]  # fmt: skip
    rows = [
        [
            row.planner,
            str(row.batch),
            time(row.p50_seconds),
            time(row.p95_seconds),
            time(row.seconds_per_plan),
            significant(row.plans_per_second),
            significant(row.decisions_per_second),
            significant(row.network_calls),
            significant(row.flops / 1e6),
            time(row.network_seconds),
            number(row.overhead, 2),
            str(row.repetitions),
            row.device,
            str(row.threads),
        ]
        for row in mean_times(results.latency[results.latency["task"] == task]).itertuples()
    ]
    return Table(headers, rows, marked=results.subject)


def training_table(results: Results, task: str) -> Table:
    """The models trained on one task: size, steps, time, machine and losses."""
    headers = ["model", "seed", "parameters", "steps", "time", "device", "threads", "final loss",
               "validation loss", "best at step"]  # fmt: skip
    rows = [
        [
            row.model.replace("_", " "),
            str(row.seed),
            f"{row.parameters:,}",
            f"{row.steps:,}",
            minutes(row.seconds),
            row.device,
            str(row.threads),
            significant(row.final_loss),
            significant(row.validation_loss),
            significant(row.best_validation_step),
        ]
        for row in results.training[results.training["task"] == task].itertuples()
    ]
    return Table(headers, rows)


def training_warnings(results: Results) -> dict[str, list[str]]:
    """The warnings that training left, by what they are signs of, each with its task, model and seed."""
    return {
        sign: [
            f"{row.task}, {row.model.replace('_', ' ')}, seed {row.seed}: {getattr(row, field)}"
            for row in results.training.itertuples()
            if isinstance(getattr(row, field), str)
        ]
        for sign, field in (
            ("overfitting", "overfitting_warning"),
            ("too little training", "undertraining_warning"),
        )
    }


def number(value: float, digits: int) -> str:
    """A number with so many digits after the point; NOTHING for NaN."""
    return NOTHING if math.isnan(value) else f"{value:,.{digits}f}"


def _range(low: float, high: float) -> str:
    return NOTHING if math.isnan(low) else f"{low:.1f} to {high:.1f}"


def setting(value: float | str | bool) -> str:
    """A parameter's value, a number or a word."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.replace("_", " ") if isinstance(value, str) else f"{value:g}"


def span(values: Collection[float] | Collection[str]) -> str:
    """From the lowest to the highest, of words each, or the only one."""
    found = sorted(set(values))
    if isinstance(found[0], str):
        return " or ".join(found)
    return f"{found[0]:g}" if len(found) == 1 else f"{found[0]:g} to {found[-1]:g}"


def significant(value: float | None, digits: int = 3) -> str:
    """A number to so many digits, never with an exponent: whole, with commas, where it is large."""
    if value is None or math.isnan(value):
        return NOTHING
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="-")


def effect(mean: float, low: float, high: float) -> str:
    """A difference of scores and its interval, if there is one."""
    ends = [f"{value:+.1f}" if abs(value) < 100 else f"{value:+.0f}" for value in (mean, low, high)]
    return ends[0] if math.isnan(low) else f"{ends[0]} [{ends[1]}, {ends[2]}]"


def percent(value: float, digits: int) -> str:
    """A share as a percentage, likewise."""
    return NOTHING if math.isnan(value) else f"{100 * value:.{digits}f} %"


def time(seconds: float) -> str:
    """A duration in seconds or milliseconds."""
    if math.isnan(seconds):
        return NOTHING
    return f"{seconds:.2f} s" if seconds >= 1 else f"{significant(1e3 * seconds)} ms"


def minutes(seconds: float) -> str:
    """A duration in minutes."""
    return NOTHING if math.isnan(seconds) else f"{seconds / 60:.1f} min"
