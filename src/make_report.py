"""Turn the results of a run into results/report: an HTML page, its numbers as CSV and JSON, its figures."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.files import atomic_directory
from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.reading import read_results


def main(params: dict[str, Any]) -> None:
    """Read every cell that params.yaml's `run` names, then write the report."""
    results = read_results(params)
    with atomic_directory("results/report") as folder:
        write_report(results, folder)


if __name__ == "__main__":
    run_stage(main)
