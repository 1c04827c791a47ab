"""What rows of the parameters leave to tuning, and what becomes of it: numbers in their place."""

from collections.abc import Mapping
from typing import Any

TUNED = "tuned"
TUNABLE = ("guidance", "temperature", "target_return")


def tried(row: Mapping[str, Any], grid: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The part of `tune.grid` that a complete row is tried with, in the grid's order.

    These are the keys that it leaves to tuning, but for those that make no difference to what it does.
    """
    idle = _idle(row)
    return {key: values for key, values in grid.items() if row.get(key) == TUNED and key not in idle}


def settled(row: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """A row with these values for all that it leaves to tuning; what it names stays."""
    return {key: values[key] if value == TUNED else value for key, value in row.items()}


def middle(grid: Mapping[str, list[float]]) -> dict[str, float]:
    """What stands for values that have not been tuned: the middle of each list, of two the greater one."""
    return {key: sorted(values)[len(values) // 2] for key, values in grid.items()}


def draws_noise(row: Mapping[str, Any]) -> bool:
    """Whether a planner's plans take noise: to enter the chain with or, but for its last step, in it."""
    if row["refine_steps"] == 0:
        return False
    entered_with_noise = row["start"] == "noise" or row["forward_noise"]
    return entered_with_noise or (row["sampler"] == "ddpm" and row["refine_steps"] != 1)


def _idle(row: Mapping[str, Any]) -> set[str]:
    """The keys that make no difference to a row."""
    if "return_conditioned" in row:  # a policy
        return set() if row["return_conditioned"] else {"target_return"}
    idle = set() if row["refine_steps"] else {"guidance"}
    # An episode's first plan starts from noise where there is no previous one.
    if not draws_noise(row) and row["start"] != "previous_plan":
        idle.add("temperature")
    if row["start"] != "draft" and row["guidance"] == 0:
        idle.add("target_return")
    return idle
