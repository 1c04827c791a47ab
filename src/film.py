"""Film planners side by side on one task, each at the speed at which it decides."""

from typing import Any

from trajectory_diffuser.common.stage import run_stage
from trajectory_diffuser.computing.files import atomic_directory, write_json
from trajectory_diffuser.filming.renderer import CannotFilm, require_renderer


def main(params: dict[str, Any], task: str) -> None:
    """Write results/runs/{task}/film/: the pictures, or why there are none."""
    with atomic_directory(f"results/runs/{task}/film") as directory:
        try:
            require_renderer()
            # After it: this imports MuJoCo.
            from trajectory_diffuser.filming.shooting import shoot

            record = shoot(params, task, directory)
        except CannotFilm as why:
            record = {"left_out": str(why)}
        write_json(directory / "film.json", {"task": task} | record)


if __name__ == "__main__":
    run_stage(main, "task")
