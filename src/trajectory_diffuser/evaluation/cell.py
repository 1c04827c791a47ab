"""One cell of the matrix task x seed x planner or policy, ready to act."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import computing_device
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.planning.choice import SECTIONS, TUNINGS, asked_return, kind_of, settled
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.policy import Policy, PolicyModel
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import TrajectoryPlanner

RUNS = Path("results/runs")


def run_directory(task: str, seed: int) -> Path:
    """Where the models of a task and seed are."""
    return RUNS / task / f"seed{seed}"


@contextmanager
def loaded(
    params: dict[str, Any], task: str, seed: int, threads: int
) -> Iterator[tuple[PlanningModels, Runtime]]:
    """The models of a task and seed and what they run on, while a device is held. Errors as of `load`."""
    with computing_device(params["run"], threads) as device:
        yield PlanningModels.load(run_directory(task, seed), device), Runtime.from_params(params, device)


def tuning_directory(params: dict[str, Any], task: str, seed: int, name: str) -> Path:
    """Where it is said what was chosen for a planner or policy with the models of a task and seed."""
    return run_directory(task, seed) / TUNINGS[kind_of(params, name)] / name


def tuned_row(params: dict[str, Any], task: str, seed: int, name: str) -> dict[str, Any]:
    """A planner's or policy's row with what was chosen for the task's models of this seed.

    Raises:
        UserError: nothing has been chosen yet, or what was is damaged.
    """
    file, kind = tuning_directory(params, task, seed, name) / "choice.json", kind_of(params, name)
    stage = {"planner": "tune", "policy": "tune_policy"}[kind]
    again = f"python src/{stage}.py --{kind} {name} --task {task} --seed {seed}"
    require_intact(file.parent, again)
    if not file.exists():
        raise UserError(f"{file}: missing; run: {again}")
    return settled(params[SECTIONS[kind]][name], read_json(file)["values"])


def make_planner(
    params: dict[str, Any],
    task: str,
    seed: int,
    planner: str,
    models: PlanningModels,
    runtime: Runtime,
    group: int = 0,
) -> Planner:
    """A tuned planner; noise as of its seed, row and group, whatever the task. Errors as of `tuned_row`."""
    noise_seed = derive_seed("planner", seed, planner) + group
    return planner_of([tuned_row(params, task, seed, planner)], models, runtime, noise_seed)


def make_policy(
    params: dict[str, Any], task: str, seed: int, policy: str, model: PolicyModel, runtime: Runtime
) -> Policy:
    """A trained and tuned policy. Errors as of `tuned_row`."""
    return policy_of([tuned_row(params, task, seed, policy)], model, runtime)


def planner_of(
    rows: list[dict[str, Any]], models: PlanningModels, runtime: Runtime, noise_seed: int
) -> Planner:
    """A planner of settled rows: one for all environments, or one for each.

    These differ in `target_return` and `temperature` alone; with several candidates, not in 0 and others.
    """
    settings = PlannerSettings.from_row(rows[0], models.diffusion.diffusion_steps)
    target_return = asked_return(_one_or_each(rows, "target_return"), models.best_return)
    planner = TrajectoryPlanner(models, settings, runtime)
    return Planner(planner, target_return, noise_seed, _one_or_each(rows, "temperature"))


def policy_of(rows: list[dict[str, Any]], model: PolicyModel, runtime: Runtime) -> Policy:
    """A policy of settled rows: one for all environments, or one for each, that differ in `target_return`."""
    return Policy(model, runtime, asked_return(_one_or_each(rows, "target_return"), model.best_return))


def _one_or_each(rows: list[dict[str, Any]], key: str) -> float | np.ndarray:
    return rows[0][key] if len(rows) == 1 else np.array([row[key] for row in rows])


def computed_on(runtime: Runtime) -> dict[str, Any]:
    """Device, threads, runtime, versions and commit that something was computed with."""
    record = {"device": runtime.device.type, "threads": torch.get_num_threads()}
    record |= {"runtime": runtime.name, "precision": runtime.precision}
    return record | {"versions": library_versions(), "commit": code_commit()}
