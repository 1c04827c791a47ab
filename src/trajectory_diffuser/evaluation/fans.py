"""How plans come about: what each denoising step makes of many plans for one situation."""

from typing import Any

import numpy as np
from torch import Tensor

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.evaluation.cell import planner_of, tuned_row
from trajectory_diffuser.evaluation.situations import PLANS_EACH, held_out
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

MOMENTS = 6  # of a plan's denoising, the first and the last included
TEMPERATURE = 1.0  # all the noise of training: where tuning chose none, all plans would be one


class StepByStep:
    """Denoises one step at a time, and keeps the plans before each and after the last.

    Args:
        denoise: see `TrajectoryDiffusion.denoise`, with guidance and eta settled.

    Attributes:
        states: plans at each noise level so far, each [B, P + H, state].
    """

    def __init__(self, denoise: Any) -> None:
        self.denoise = denoise
        self.states: list[Tensor] = []

    def __call__(self, x_t: Tensor, t: Tensor, return_to_go: Tensor, noise: Tensor) -> Tensor:
        """Take the steps from each of the timesteps t [S + 1] to the next."""
        if not self.states:
            self.states.append(x_t)
        for step in range(len(t) - 1):
            x_t = self.denoise(x_t, t[step : step + 2], return_to_go, noise[:, step : step + 1])
            self.states.append(x_t)
        return x_t


def plan_fans(
    params: dict[str, Any],
    task: str,
    seed: int,
    dataset: PreparedDataset,
    models: PlanningModels,
    runtime: Runtime,
) -> dict[str, np.ndarray]:
    """Plans at the start of the first held-out episode while they are denoised, of the run's planners.

    Only of planners that denoise, at TEMPERATURE; of several candidates the first is taken.

    Returns:
        By planner, the first two dimensions of observations [moments, PLANS_EACH, H, 2], in the environment's
        units: MOMENTS moments at most, evenly over its steps.

    Raises:
        UserError: a planner has not been tuned.
    """
    first, _ = dataset.observation_bounds(dataset.episodes(held_out(dataset))[:1])
    present = dataset.observations[np.repeat(first, PLANS_EACH)]
    # Torch itself: what is compiled for single steps would be used this once.
    plain, fans = Runtime("torch", runtime.precision, runtime.device), {}
    for name in params["run"]["planners"]:
        row = tuned_row(params, task, seed, name) | {"temperature": TEMPERATURE}
        planner = planner_of([row], models, plain, derive_seed("fans", seed, name))
        watched = StepByStep(planner.trajectory_planner.denoise)
        planner.trajectory_planner.denoise = watched
        planner.plan(present)
        if watched.states:
            moments = np.linspace(0, len(watched.states) - 1, min(MOMENTS, len(watched.states)))
            fans[name] = np.stack(
                [_positions(watched.states[at], models) for at in moments.round().astype(int)]
            )
    return fans


def _positions(states: Tensor, models: PlanningModels) -> np.ndarray:
    """What plans [B C, P + H, state] look like from above [B, H, 2], without the past."""
    ahead = states[:: len(states) // PLANS_EACH, -models.horizon :].cpu().numpy()
    return models.normaliser.unnormalise(ahead)[..., :2]
