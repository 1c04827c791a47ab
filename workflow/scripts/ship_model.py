"""Copy the trained networks of a task and seed from results/runs/ to models/, where they are kept in git.

python workflow/scripts/ship_model.py TASK [--seed 0]

What is written is a run folder like any other: the four networks, the evaluated planners with what tuning
chose for them, and the data's provenance. Weights from the middle of the training and curves are left out.
The model card, README.md, is written by hand and stays.
"""

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from trajectory_diffuser.common.errors import UserError  # noqa: E402
from trajectory_diffuser.common.stage import ending_with_one_line  # noqa: E402
from trajectory_diffuser.computing.files import atomic_file  # noqa: E402
from trajectory_diffuser.computing.manifest import require_intact  # noqa: E402
from trajectory_diffuser.sharing.run_folder import copy_run  # noqa: E402

AGAIN = "snakemake --cores 8"


def main() -> None:
    """Ship what the command line names."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("task", metavar="TASK", help="of params.yaml")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with ending_with_one_line():
        ship(ROOT, arguments.task, arguments.seed)
    print(f"models/{arguments.task}/ has the networks of seed {arguments.seed}")


def ship(root: Path, task: str, seed: int) -> None:
    """Write models/{task}/ below `root`. Raises `UserError` for results that are missing or damaged."""
    run, data = root / "results/runs" / task / f"seed{seed}", root / "data/processed" / task
    if not data.is_dir():
        raise UserError(f"{data}: missing; run: {AGAIN}")
    require_intact(data, AGAIN)
    target = root / "models" / task
    copy_run(run, target, AGAIN)
    with atomic_file(target / "provenance.json") as work:
        shutil.copyfile(data / "provenance.json", work)


if __name__ == "__main__":
    main()
