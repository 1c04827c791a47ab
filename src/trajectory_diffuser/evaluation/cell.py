"""One cell of the matrix task x seed x planner, ready to plan."""

from pathlib import Path
from typing import Any

import torch

from trajectory_diffuser.computing.device import check_compiler
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.planning.acceleration import accelerate
from trajectory_diffuser.planning.models import PlanningModels
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
    device: torch.device,
    group: int = 0,
) -> TrajectoryPlanner:
    """The planner of a row of the parameters, with noise that depends on the cell and the group alone."""
    row, guidance = params["planners"][planner], params["tasks"][task]["guidance"]
    noise_seed = derive_seed("planner", task, seed, planner) + group
    return TrajectoryPlanner.from_row(models, row, guidance, device, noise_seed)


def load_models(params: dict[str, Any], task: str, seed: int, device: torch.device) -> PlanningModels:
    """The four models of a task and seed, as the section `planning` wants them to run.

    Raises `UserError` where they are to be compiled and there is no compiler, or one does not fit.
    """
    check_compiler("params.yaml: planning.compile", params["planning"]["compile"], device.type)
    models = PlanningModels.load(run_directory(task, seed), device)
    accelerate(models, params["planning"], device)
    return models
