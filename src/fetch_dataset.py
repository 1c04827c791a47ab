"""Make a task's raw dataset: collect, download or read its episodes and store them as a Minari dataset."""

from pathlib import Path
from typing import Any

from trajectory_diffuser.collecting.fetching import fetch
from trajectory_diffuser.common.stage import run_stage


def main(params: dict[str, Any], task: str) -> None:
    """Read data/behaviour or data/external/{task}, or download to data/downloads; write data/raw/{task}."""
    fetch(task, params["tasks"][task], params["fetch_dataset"], Path("data"), Path("data/raw", task))


if __name__ == "__main__":
    run_stage(main, "task")
