"""Film planners of a run side by side, each at the speed at which it decides: an animated GIF, and a strip.

python workflow/scripts/film.py --run models/hopper-medium-expert --planners trajectory_diffuser ddim

Ghosts are what is planned. A step lasts as long as in the environment, or as its decision where that takes
longer. It takes a renderer that needs no display; where there is none, one line says what to install.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "src"))

from trajectory_diffuser.common.errors import UserError  # noqa: E402
from trajectory_diffuser.common.stage import ending_with_one_line  # noqa: E402
from trajectory_diffuser.filming.renderer import require_renderer  # noqa: E402


def main() -> None:
    """Make the film that the command line describes."""
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--run", type=Path, required=True, help="folder with trained models")
    parser.add_argument("--planners", nargs="+", required=True, help="rows of the parameters")
    parser.add_argument("--seed", type=int, default=0, help="of the environment, and of the planners' noise")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the film")
    parser.add_argument("--times", type=Path, help="latency.csv of a report, instead of measuring here")
    parser.add_argument("--out", type=Path, default=Path("results/film.gif"))
    parser.add_argument("--strip", type=Path, help="PNG, to which some moments are written too")
    arguments = parser.parse_args()
    with ending_with_one_line():
        require_renderer()
        film(**vars(arguments))


def film(
    run: Path,
    planners: list[str],
    seed: int,
    seconds: float,
    times: Path | None,
    out: Path,
    strip: Path | None,
) -> None:
    """Load the planners, let them act one after the other, write the film and, if asked to, its strip."""
    if seconds <= 0:
        raise UserError(f"--seconds {seconds:g}: a film takes more than 0")
    # After require_renderer: these import MuJoCo.
    import torch

    from trajectory_diffuser.environments.environment import make_environment
    from trajectory_diffuser.filming.film import write_film
    from trajectory_diffuser.filming.filmstrip import write_filmstrip
    from trajectory_diffuser.filming.take import make_take, recorded
    from trajectory_diffuser.planning.planner import Planner

    torch.set_num_threads(1)
    takes, loaded = [], {name: Planner.load(run, name) for name in planners}
    known = {name: times and recorded(times, each.units.task, name) for name, each in loaded.items()}
    with closing(make_environment(loaded[planners[0]].environment)) as environment:
        for name, planner in loaded.items():
            takes.append(make_take(name, planner, environment, seed, seconds, known[name]))
            print(f"{name}: {1000 * takes[-1].decision_seconds:.1f} ms per decision")
        write_film(takes, environment.unwrapped.model, seconds, out)
        if strip:
            write_filmstrip(takes, environment.unwrapped.model, seconds, strip)
    for file in filter(None, (out, strip)):
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
