"""A planner is a row of the parameters; this is the row with its chain worked out, numbers only."""

from dataclasses import dataclass
from typing import Any

from trajectory_diffuser.diffusion.schedule import timesteps
from trajectory_diffuser.diffusion.trajectory_diffusion import SAMPLER_ETA
from trajectory_diffuser.planning.choice import draws_noise


@dataclass(frozen=True)
class PlannerSettings:
    """See `planners` in params.schema.yaml for the meaning of each field.

    `timesteps` are the values of t at which the denoiser is called, and `first_timesteps` the same for an
    episode's first plan, when there is no previous plan to start from; `eta` is the sampler's. `candidates`
    is 1 where no noise would tell them apart.
    """

    start: str
    timesteps: list[int]
    first_timesteps: list[int]
    forward_noise: bool
    eta: float
    guidance: float
    candidates: int
    selection: str
    temperature: float
    redraft_every: int
    actions_per_plan: int

    @classmethod
    def from_row(cls, row: dict[str, Any], diffusion_steps: int) -> "PlannerSettings":
        """Resolve `refine_steps: all` and choose the steps of the chain, for a row that is settled."""
        calls = diffusion_steps if row["refine_steps"] == "all" else row["refine_steps"]
        length = diffusion_steps if row["start"] == "noise" else row.get("last_steps", calls)
        usual = timesteps(length, calls)
        everything = timesteps(diffusion_steps, diffusion_steps)
        noisy = row["temperature"] > 0 and draws_noise(row)
        return cls(
            start=row["start"],
            timesteps=usual,
            first_timesteps=everything if row["start"] == "previous_plan" else usual,
            forward_noise=row["forward_noise"],
            eta=SAMPLER_ETA[row["sampler"]],
            guidance=row["guidance"],
            candidates=row["candidates"] if noisy else 1,
            selection=row.get("selection", "highest"),
            temperature=row["temperature"],
            redraft_every=row["redraft_every"],
            actions_per_plan=row["actions_per_plan"],
        )

    @property
    def networks(self) -> list[str]:
        """The models that a planner with these settings calls, by their names."""
        drafts, refines, chooses = self.start == "draft", len(self.timesteps) > 0, self.candidates > 1
        used = {"transformer": drafts, "diffusion": refines, "inverse_dynamics": True, "value": chooses}
        return [name for name, called in used.items() if called]
