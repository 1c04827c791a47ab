"""A planner is a row of the parameters; this is the row with what it takes from its task filled in."""

from dataclasses import dataclass
from typing import Any

from trajectory_diffuser.diffusion.schedule import end_of_chain


@dataclass(frozen=True)
class PlannerSettings:
    """See `planners` in params.schema.yaml for the meaning of each field.

    `steps` are the diffusion steps at which the denoiser is called, and `first_plan_steps` the same for an
    episode's first plan, when there is no previous plan to start from.
    """

    start: str
    steps: list[int]
    first_plan_steps: list[int]
    forward_noise: bool
    sampler: str
    guidance: float
    candidates: int
    temperature: float
    redraft_every: int
    actions_per_plan: int

    @classmethod
    def from_row(cls, row: dict[str, Any], task_guidance: float, diffusion_steps: int) -> "PlannerSettings":
        """Resolve `guidance: task` and `refine_steps: all`, and choose the steps of the chain."""
        calls = diffusion_steps if row["refine_steps"] == "all" else row["refine_steps"]
        length = diffusion_steps if row["start"] == "noise" else row.get("last_steps", calls)
        steps = end_of_chain(length, calls)
        everything = end_of_chain(diffusion_steps, diffusion_steps)
        return cls(
            start=row["start"],
            steps=steps,
            first_plan_steps=everything if row["start"] == "previous_plan" else steps,
            forward_noise=row["forward_noise"],
            sampler=row["sampler"],
            guidance=task_guidance if row["guidance"] == "task" else row["guidance"],
            candidates=row["candidates"],
            temperature=row["temperature"],
            redraft_every=row["redraft_every"],
            actions_per_plan=row["actions_per_plan"],
        )
