"""Train the actors that the embedded Hopper datasets are rolled out from (outside the default graph)."""

from pathlib import Path
from typing import Any

from trajectory_diffuser.collecting.behaviour_training import train_behaviour
from trajectory_diffuser.common.stage import run_stage


def main(params: dict[str, Any]) -> None:
    """Write data/behaviour/{ladder}; all snapshots stay in results/checkpoints/behaviour/{ladder}."""
    settings = params["train_behaviour"]
    train_behaviour(
        environment=settings["environment"],
        snapshots=Path("results/checkpoints/behaviour", settings["ladder"]),
        ladder=Path("data/behaviour", settings["ladder"]),
        steps=settings["steps"],
        seed=settings["seed"],
        episodes=settings["evaluation_episodes"],
        dropped_quantiles=settings["dropped_quantiles"],
    )


if __name__ == "__main__":
    run_stage(main)
