"""Films on the page: the first task's moves, every task's is there as a strip, or why there is none."""

import base64
from dataclasses import dataclass
from pathlib import Path

from trajectory_diffuser.reporting.artefacts import Film, Results
from trajectory_diffuser.reporting.summaries import times_by_seed

WHAT = "orange, and three states of the plan in force ahead of it, blue"


@dataclass(frozen=True)
class Image:
    """A picture in the page itself: its address and what it shows, for who does not see it."""

    address: str
    alternative: str


def moving_picture(results: Results) -> Image | None:
    """The film of the first task that has one; None where there is none."""
    for task, film in _filmed(results).items():
        says = f"{film.seconds:g} seconds of {task}, over and over: {_listed(film.planners)} side by side."
        says += f" Each: the body, {WHAT}. {_paces(results, task, film)}"
        return Image(_address("gif", film.moving), says)
    return None


def filmstrips(results: Results) -> dict[str, Image]:
    """The strip of each task that has a film."""
    strips = {}
    for task, film in _filmed(results).items():
        says = f"{film.seconds:g} seconds of {task} in pictures from left to right, a row for each of "
        says += f"{_listed(film.planners)}: the body, {WHAT}. {_paces(results, task, film)}"
        strips[task] = Image(_address("png", film.strip), says)
    return strips


def not_filmed(results: Results) -> dict[str, str]:
    """Which tasks have no film, by the reason."""
    tasks: dict[str, list[str]] = {}
    for task, film in results.films.items():
        if film.left_out:
            tasks.setdefault(film.left_out, []).append(task)
    return {why: _listed(names) for why, names in tasks.items()}


def write_films(results: Results, folder: Path) -> None:
    """Write the pictures of each task: film_TASK.gif, which moves, and filmstrip_TASK.png."""
    for task, film in _filmed(results).items():
        (folder / f"film_{task}.gif").write_bytes(film.moving)
        (folder / f"filmstrip_{task}.png").write_bytes(film.strip)


def _filmed(results: Results) -> dict[str, Film]:
    return {task: film for task, film in results.films.items() if not film.left_out}


def _paces(results: Results, task: str, film: Film) -> str:
    """How long a decision of the filmed (first) seed's planners takes, at the smallest batch timed."""
    rates = times_by_seed(results)["decisions_per_second"]
    milliseconds = [f"{1000 / rates[task, planner, results.seeds[0]]:.1f} ms" for planner in film.planners]
    return f"A decision takes {_listed(milliseconds)}."


def _listed(words: list[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
