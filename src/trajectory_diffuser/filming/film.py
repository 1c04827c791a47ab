"""Takes side by side as a GIF: each body as it moves, and the one that is planned as ghosts ahead of it."""

from contextlib import closing
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trajectory_diffuser.computing.files import atomic_file
from trajectory_diffuser.filming.palette import reduced
from trajectory_diffuser.filming.picture import draw, paled
from trajectory_diffuser.filming.take import Take

WIDTH, HEIGHT, CAPTION = 230, 210, 42  # of a panel's picture, and of the strip above it; pixels
FRAME_SECONDS, COLOURS = 0.08, 20
MOST_BYTES = 600_000  # so that it can be part of a page
INK, PAPER = (24, 24, 24), (255, 255, 255)


def write_film(takes: list[Take], model: mujoco.MjModel, seconds: float, out: Path) -> None:
    """Write a film of so many seconds: an animated GIF, which begins again at its end."""
    with closing(mujoco.Renderer(paled(model), HEIGHT, WIDTH)) as renderer:
        frames = [
            Image.fromarray(np.concatenate([_panel(renderer, take, time) for take in takes], axis=1))
            for time in np.arange(0.0, seconds, FRAME_SECONDS)
        ]
    save_film(reduced(frames, COLOURS), out)


def save_film(frames: list[Image.Image], out: Path) -> None:
    """Write frames FRAME_SECONDS apart or, if that takes more than MOST_BYTES, every second, fourth, ..."""
    with atomic_file(out) as work:
        for every in (2**power for power in range(len(frames))):
            first, *others = frames[::every]
            duration = round(1000 * FRAME_SECONDS * every)
            first.save(work, format="GIF", save_all=True, append_images=others, duration=duration, loop=0)
            if not others or work.stat().st_size <= MOST_BYTES:
                break


def draw_take(renderer: mujoco.Renderer, take: Take, time: float) -> np.ndarray:
    """A take's picture [height, width, 3] at a time of the film, with the ghosts of the plan in force."""
    step = take.step_at(time)
    return draw(renderer, take.poses[step], take.plans[min(step, len(take.plans) - 1)])


def _panel(renderer: mujoco.Renderer, take: Take, time: float) -> np.ndarray:
    """The same below a caption [CAPTION + HEIGHT, WIDTH, 3]."""
    caption = Image.new("RGB", (WIDTH, CAPTION), PAPER)
    pen, font = ImageDraw.Draw(caption), ImageFont.load_default(14)
    pen.text((8, 4), take.planner, INK, font)
    pen.text((8, 22), take.pace, INK, font)
    pen.text((WIDTH - 8, 22), take.reached_at(time), INK, font, anchor="ra")
    return np.concatenate([np.asarray(caption), draw_take(renderer, take, time)])
