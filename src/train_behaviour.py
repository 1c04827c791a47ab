"""Train a ladder of actors for the embedded datasets (outside the graph: the actors are in git)."""

from pathlib import Path
from typing import Any

from trajectory_diffuser.collecting.behaviour_training import train_behaviour
from trajectory_diffuser.common.stage import run_stage


def main(params: dict[str, Any], ladder: str) -> None:
    """Write data/behaviour/{ladder}; all snapshots stay in results/checkpoints/behaviour/{ladder}."""
    settings = params["train_behaviour"]
    train_behaviour(
        **settings["ladders"][ladder],
        snapshots=Path("results/checkpoints/behaviour", ladder),
        ladder=Path("data/behaviour", ladder),
        seed=settings["seed"],
        episodes=settings["evaluation_episodes"],
    )


if __name__ == "__main__":
    run_stage(main, "ladder")
