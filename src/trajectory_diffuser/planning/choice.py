"""What rows of the parameters leave to tuning, and what becomes of it: numbers in their place."""

from collections.abc import Mapping
from typing import Any

import numpy as np

TUNED = "tuned"
SECTIONS = {"planner": "planners", "policy": "policies"}  # of params.yaml, for each kind of row
TUNINGS = {"planner": "tuning", "policy": "policy_tuning"}  # folders of a run's choices
TUNABLE = ("guidance", "temperature", "target_return")


def kind_of(params: Mapping[str, Any], name: str) -> str:
    """`planner` or `policy`, which a row of this name is."""
    return next(kind for kind, section in SECTIONS.items() if name in params[section])


def tried(row: Mapping[str, Any], grid: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The part of `tune.grid` that a complete row is tried with, in the grid's order.

    These are the keys that it leaves to tuning, but for those that make no difference to what it does.
    """
    idle = _idle(row)
    return {key: values for key, values in grid.items() if row.get(key) == TUNED and key not in idle}


def distinct(row: Mapping[str, Any], points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points, changes of a row, without those that make the planner of one before them."""
    planners: dict[frozenset, dict[str, Any]] = {}
    for point in points:
        whole = row | point
        kept = {key: value for key, value in whole.items() if key not in _idle(whole)}
        planners.setdefault(frozenset(kept.items()), point)
    return list(planners.values())


def settled(row: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """A row with these values for all that it leaves to tuning; what it names stays."""
    return {key: values[key] if value == TUNED else value for key, value in row.items()}


def middle(grid: Mapping[str, list[float]]) -> dict[str, float]:
    """What stands for values that have not been tuned: the middle of each list, of two the greater one."""
    return {key: sorted(values)[len(values) // 2] for key, values in grid.items()}


def asked_return(multiple: float | np.ndarray, best_return: float) -> float | np.ndarray:
    """The return that a row's `target_return` asks for: more than 1 is more than the best, be it negative."""
    return multiple * best_return if best_return >= 0 else best_return / multiple


def branches(row: Mapping[str, Any]) -> int:
    """How many branches of the denoiser a planner's guidance weight needs: 0 and 1 one, others both."""
    return 1 if row.get("guidance", 1) in (0, 1) else 2


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
    calls = row["refine_steps"]
    # An episode's first plan goes from noise through the whole chain where there is no previous one.
    goes_on, noisy = row["start"] == "previous_plan", draws_noise(row)
    idle = set() if calls else {"guidance", "last_steps"}
    if calls in (0, 1) and not goes_on:
        idle.add("sampler")  # a single step is the chain's last, which adds no noise
    if not noisy and not goes_on:
        idle.add("temperature")
    if not noisy or row["temperature"] == 0:
        idle.add("candidates")
    if "candidates" in idle or row["candidates"] == 1:
        idle.add("selection")
    if row["start"] != "draft" and row["guidance"] == 0:
        idle.add("target_return")
    return idle
