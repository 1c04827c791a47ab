"""Check params.yaml before any other stage runs under DVC; Snakemake checks while it reads the Snakefile.

DVC's graph begins with the marker written here. Its content is constant, so a change of parameters re-runs
this check and, beyond it, only the stages that the change concerns.
"""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.files import atomic_file


def main(params: dict[str, Any]) -> None:
    """Write the marker; `run_stage` has checked `params`."""
    if params["run"]["device"] == "cuda":  # torch, slow to import, knows whether there is one
        from trajectory_diffuser.computing.device import device_type

        device_type("cuda")
    with atomic_file("results/parameters_checked.txt") as path:
        path.write_text("params.yaml is valid\n")


if __name__ == "__main__":
    run_stage(main)
