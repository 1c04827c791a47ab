"""A copy of a run that holds all that its planners take, and no more."""

import shutil
from pathlib import Path

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import atomic_directory, read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.models.building import NETWORKS

FILES = ("config.json", "model.safetensors", "training.json")
EVALUATION = ("evaluation.json", "episodes.csv", "plans.npz")


def copy_run(run: Path, target: Path, remedy: str) -> None:
    """Copy a run's four networks and its evaluated planners, with what tuning chose for them.

    Weights from the middle of the training and curves are left out, and so are policies.

    Args:
        run: `results/runs/{task}/seed{seed}`, or such a copy.
        target: the folder of the copy; folders in it of the same names are replaced.
        remedy: the command that makes the run whole.

    Raises:
        UserError: something is missing or damaged; nothing is written then.
    """
    evaluations = sorted(path.parent for path in run.glob("evaluation/*/evaluation.json"))
    for source in (*(run / name for name in NETWORKS), *evaluations):
        if not source.is_dir():
            raise UserError(f"{source}: missing; run: {remedy}")
        require_intact(source, remedy)
    planners = [path for path in evaluations if "planner_row" in read_json(path / "evaluation.json")]
    copied = {run / name: FILES for name in NETWORKS} | dict.fromkeys(planners, EVALUATION)
    for source, files in copied.items():
        with atomic_directory(target / source.relative_to(run)) as folder:
            for file in files:
                shutil.copyfile(source / file, folder / file)
