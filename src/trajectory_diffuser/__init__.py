"""Trajectory Diffuser: draft a plan with a causal transformer, refine it with a few diffusion steps, act."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trajectory_diffuser.planning.policy import Policy
    from trajectory_diffuser.sharing.planner import Planner

__all__ = ["Planner", "Policy"]
MODULES = {"Planner": "sharing.planner", "Policy": "planning.policy"}


def __getattr__(name: str) -> Any:
    """`Planner` or `Policy`, imported when it is asked for: stages that do not act need no torch."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"trajectory_diffuser.{MODULES[name]}"), name)
