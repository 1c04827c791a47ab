"""Takes side by side as a GIF: each body as it moves, and the one that is planned as ghosts ahead of it."""

from contextlib import closing
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trajectory_diffuser.computing.files import atomic_file
from trajectory_diffuser.filming.picture import draw, paled
from trajectory_diffuser.filming.take import Take

WIDTH, HEIGHT, CAPTION = 230, 210, 42  # of a panel's picture, and of the strip above it; pixels
FRAME_SECONDS, COLOURS = 0.08, 24
INK, PAPER = (24, 24, 24), (255, 255, 255)


def write_film(takes: list[Take], model: mujoco.MjModel, seconds: float, out: Path) -> None:
    """Write a film of so many seconds: an animated GIF, which begins again at its end."""
    with closing(mujoco.Renderer(paled(model), HEIGHT, WIDTH)) as renderer:
        frames = [
            Image.fromarray(np.concatenate([_panel(renderer, take, time) for take in takes], axis=1))
            for time in np.arange(0.0, seconds, FRAME_SECONDS)
        ]
    # One palette for all: what does not move stays, to the pixel, what it was, and takes no bytes.
    sample = np.concatenate([np.asarray(each) for each in frames[:: len(frames) // 8 + 1]])
    palette = Image.fromarray(sample).quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
    frames = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in frames]
    duration = round(1000 * FRAME_SECONDS)
    with atomic_file(out) as work:
        first, *others = frames
        first.save(work, format="GIF", save_all=True, append_images=others, duration=duration, loop=0)


def _panel(renderer: mujoco.Renderer, take: Take, time: float) -> np.ndarray:
    """A take's picture at a time of the film [CAPTION + HEIGHT, WIDTH, 3]."""
    step = take.step_at(time)
    caption = Image.new("RGB", (WIDTH, CAPTION), PAPER)
    pen, font = ImageDraw.Draw(caption), ImageFont.load_default(14)
    pen.text((8, 4), take.planner, INK, font)
    pen.text((8, 22), f"{1000 * take.decision_seconds:.1f} ms per decision", INK, font)
    pen.text((WIDTH - 8, 22), f"{step * take.step_seconds:.1f} s", INK, font, anchor="ra")
    plan = take.plans[min(step, len(take.plans) - 1)]
    return np.concatenate([np.asarray(caption), draw(renderer, take.poses[step], plan)])
