"""Trajectory Diffuser: draft a plan with a causal transformer, refine it with a few diffusion steps, act."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trajectory_diffuser.planning.planner import Planner

__all__ = ["Planner"]


def __getattr__(name: str) -> Any:
    """`Planner`, imported when it is asked for: stages that do not plan need no torch."""
    if name != "Planner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trajectory_diffuser.planning.planner import Planner

    return Planner
