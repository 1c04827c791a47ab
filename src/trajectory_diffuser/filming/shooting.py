"""A film and its strip of a run's planners on one task."""

from contextlib import closing
from pathlib import Path
from typing import Any

from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.evaluation.cell import computed_on, loaded, make_planner, run_directory
from trajectory_diffuser.filming.film import write_film
from trajectory_diffuser.filming.filmstrip import write_filmstrip
from trajectory_diffuser.filming.poses import Poses
from trajectory_diffuser.filming.renderer import CannotFilm
from trajectory_diffuser.filming.take import make_take, recorded

FILM, FILMSTRIP = "film.gif", "filmstrip.png"


def shoot(params: dict[str, Any], task: str, folder: Path) -> dict[str, Any]:
    """Write FILM and FILMSTRIP: those of `film.planners` that are run, in the first environment evaluated in.

    A decision takes as long as `measure_latency` found, so that a busy machine does not make a film slow.

    Returns:
        What was filmed, and on what.

    Raises:
        CannotFilm: nobody is to be filmed, or observations hold no pose.
        UserError: a model, a choice of tuning or a time is missing or damaged, or the environment fails.
    """
    film, run = params["film"], params["run"]
    planners, seed = [name for name in film["planners"] if name in run["planners"]], run["seeds"][0]
    if not planners:
        raise CannotFilm("no planner of the run is among film.planners")
    environment_seed, takes = params["evaluate"]["first_environment_seed"], []
    with closing(make_environment(params["tasks"][task]["environment"])) as environment:
        Poses(environment)  # whether it can be filmed is seen before anything is loaded
        with loaded(params, task, seed, film["threads"]) as (models, runtime):
            times = run_directory(task, seed) / "latency"
            require_intact(times, f"python src/measure_latency.py --task {task} --seed {seed}")
            for name in planners:
                planner = make_planner(params, task, seed, name, models, runtime)
                decides_in = recorded(times / "latency.csv", task, name)
                takes.append(
                    make_take(name, planner, environment, environment_seed, film["seconds"], decides_in)
                )
            record = {"planners": planners, "seconds": film["seconds"], "seed": seed}
            record |= {"environment_seed": environment_seed} | computed_on(runtime)
        model = environment.unwrapped.model
        write_film(takes, model, film["seconds"], folder / FILM)
        write_filmstrip(takes, model, film["seconds"], folder / FILMSTRIP)
    return record
