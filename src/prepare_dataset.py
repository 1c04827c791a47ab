"""Prepare a task's raw dataset: flat arrays, normaliser, returns-to-go, validation split, provenance."""

from typing import Any

from trajectory_diffuser.collecting.preparation import prepare
from trajectory_diffuser.common.stage import run_stage


def main(params: dict[str, Any], task: str) -> None:
    """Read data/raw/{task}, write data/processed/{task}."""
    settings = params["prepare_dataset"]
    provenance = prepare(
        raw=f"data/raw/{task}",
        directory=f"data/processed/{task}",
        task=task,
        environment=params["tasks"][task]["environment"],
        validation_fraction=settings["validation_fraction"],
        seed=settings["seed"],
    )
    returns, steps, episodes = provenance["return"], provenance["steps"], provenance["episodes"]
    print(
        f"{task}: {steps} steps in {episodes} episodes, return {returns['mean']:.1f} +- {returns['std']:.1f}"
    )


if __name__ == "__main__":
    run_stage(main, "task")
