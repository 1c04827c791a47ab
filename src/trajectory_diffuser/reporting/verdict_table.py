"""The verdict as a table of the page, as plain text for a terminal, and as the entries of verdict.json."""

import textwrap
from math import isnan
from typing import Any

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.summaries import common_scores
from trajectory_diffuser.reporting.tables import NOTHING, effect, significant, time
from trajectory_diffuser.reporting.verdict import Row

COLUMNS = ("on", "answer", "against", "effect [interval]", "time of both", "times as fast", "why")


def verdict_table(rows: list[Row]) -> dict[str, list[list[str]]]:
    """By question, its subject in brackets: a row of cells (COLUMNS) for every scope."""
    questions: dict[str, list[list[str]]] = {}
    for row in rows:
        questions.setdefault(f"{row.question} ({row.subject})", []).append(cells_of(row))
    return questions


def cells_of(row: Row) -> list[str]:
    """The cells (COLUMNS) of a row."""
    return [row.scope, row.answer, row.reference, *_numbers(row), row.reason]


def how_judged(results: Results) -> str:
    """What the effects and intervals are, and how many episodes they are about."""
    settings, seeds = results.params["make_report"], len(results.seeds)
    used = sum(map(len, common_scores(results).values()))
    unused = len(results.scores) - used * len(results.planners)
    if seeds == 1:
        intervals = "one training seed, so there are no intervals, and little can be judged"
    else:
        level = f"{100 * settings['confidence']:g} %"
        corrected = "corrected for the number of comparisons (Holm)"
        intervals = f"{level} intervals over {seeds} training seeds, {corrected}"
    return (
        f"Effects in points of normalised score, on {used} paired episodes"
        + (f" ({unused} episodes that not every planner has are left out)" if unused else "")
        + f"; {intervals}; a difference within {settings['equivalence_margin']:g} counts as equal."
    )


def verdict_text(results: Results, rows: list[Row]) -> str:
    """The same in plain text."""
    lines = ["Verdict", *textwrap.wrap(how_judged(results), 100)]
    for question, cells in verdict_table(rows).items():
        lines += ["", question, *_aligned([[scope, answer.upper(), *rest] for scope, answer, *rest in cells])]
    return "\n".join(lines) + "\n"


def verdict_entries(results: Results, rows: list[Row]) -> dict[str, dict[str, Any]]:
    """By claim and scope: answer, and what it rests on."""
    margin = results.params["make_report"]["equivalence_margin"]
    entries: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry: dict[str, Any] = {"answer": row.answer, "reference": row.reference}
        if not isnan(row.effect):
            entry |= {"effect": round(row.effect, 1), "margin": margin}
        if not isnan(row.times_as_fast):
            entry |= {"times_as_fast": round(row.times_as_fast, 2)}
            entry |= {"seconds": [round(value, 6) for value in (row.seconds, row.reference_seconds)]}
        if not isnan(row.low):
            entry |= {"interval": [round(row.low, 1), round(row.high, 1)]}
        entries.setdefault(row.claim, {})[row.scope.replace(" ", "_")] = entry
    return entries


def _numbers(row: Row) -> list[str]:
    """Effect with interval, times of both, and their ratio."""
    if isnan(row.effect):
        return [NOTHING] * 3
    return [
        effect(row.effect, row.low, row.high),
        f"{time(row.seconds)} : {time(row.reference_seconds)}",
        NOTHING if isnan(row.times_as_fast) else f"{significant(row.times_as_fast, 2)}x",
    ]


def _aligned(cells: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in cells]
    return ["  " + "  ".join(row).rstrip() for row in padded]
