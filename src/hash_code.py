"""Write a hash of each stage's code, which DVC's other stages depend on; Snakemake looks at the files.

One file for each stage, and no folders: DVC would go through them again for every job.
"""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.common.stage_code import code_hash, stages
from trajectory_diffuser.computing.files import atomic_directory


def main(params: dict[str, Any]) -> None:
    """Write results/code/{stage}.txt for every stage."""
    with atomic_directory("results/code") as folder:
        for stage in stages():
            (folder / f"{stage}.txt").write_text(f"{code_hash(stage)}\n")


if __name__ == "__main__":
    run_stage(main)
