"""A film on paper: a few of its moments side by side, a row for each take."""

from contextlib import closing
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trajectory_diffuser.computing.files import atomic_file
from trajectory_diffuser.filming.film import INK, PAPER, draw_take
from trajectory_diffuser.filming.palette import reduced
from trajectory_diffuser.filming.picture import paled
from trajectory_diffuser.filming.take import Take

MOMENTS, COLOURS = 5, 48
WIDTH, HEIGHT = 220, 200  # of a picture; pixels
HEAD, LABEL = 28, 24  # above all pictures, and above those of a take; pixels


def write_filmstrip(takes: list[Take], model: mujoco.MjModel, seconds: float, out: Path) -> None:
    """Write MOMENTS moments of a film of so many seconds, from its start to its end: a PNG on white."""
    times = np.linspace(0.0, seconds, MOMENTS)
    strip = Image.new("RGB", (MOMENTS * WIDTH, HEAD + len(takes) * (LABEL + HEIGHT)), PAPER)
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(14)
    with closing(mujoco.Renderer(paled(model), HEIGHT, WIDTH)) as renderer:
        for column, time in enumerate(times):
            left, right = column * WIDTH + 8, (column + 1) * WIDTH - 8
            pen.text((left, 8), f"after {time:.1f} s", INK, font)
            for row, take in enumerate(takes):
                top = HEAD + row * (LABEL + HEIGHT)
                if column == 0:
                    pen.text((left, top + 6), f"{take.planner}, {take.pace}", INK, font)
                picture = Image.fromarray(draw_take(renderer, take, time))
                strip.paste(picture, (column * WIDTH, top + LABEL))
                pen.text((right, top + LABEL + HEIGHT - 20), take.reached_at(time), INK, font, anchor="ra")
    (strip,) = reduced([strip], COLOURS)
    with atomic_file(out) as work:
        strip.save(work, format="PNG")
