"""One cell of the matrix task x seed x planner or policy, ready to act."""

from pathlib import Path
from typing import Any

from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.policy import Policy, PolicyModel
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner


def run_directory(task: str, seed: int) -> Path:
    """Where the models of a task and seed are."""
    return Path("results/runs") / task / f"seed{seed}"


def make_planner(
    params: dict[str, Any],
    task: str,
    seed: int,
    planner: str,
    models: PlanningModels,
    runtime: Runtime,
    group: int = 0,
) -> Planner:
    """The planner of a row of the parameters, with noise that depends on the cell and the group alone."""
    row, entry = params["planners"][planner], params["tasks"][task]
    settings = PlannerSettings.from_row(row, entry["guidance"], models.diffusion.diffusion_steps)
    noise_seed = derive_seed("planner", task, seed, planner) + group
    return Planner(TrajectoryPlanner(models, settings, runtime), entry["target_return"], noise_seed)


def make_policy(params: dict[str, Any], task: str, seed: int, policy: str, runtime: Runtime) -> Policy:
    """A trained policy. Raises `UserError` when there is none."""
    model = PolicyModel.load(run_directory(task, seed), policy, runtime.device)
    return Policy(model, runtime, params["tasks"][task]["target_return"])
