"""Takes side by side as a GIF: each body as it moves, and the one that is planned as ghosts ahead of it."""

import copy
from contextlib import closing
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from trajectory_diffuser.computing.files import atomic_file
from trajectory_diffuser.filming.take import Take

WIDTH, HEIGHT, CAPTION = 230, 210, 42  # of a panel's picture, and of the strip above it; pixels
FRAME_SECONDS, COLOURS = 0.08, 24
INK, PAPER = (24, 24, 24), (255, 255, 255)
BODY, GHOST = (0.85, 0.35, 0.1, 1.0), (0.1, 0.4, 0.9, 0.25)


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


def paled(model: mujoco.MjModel) -> mujoco.MjModel:
    """A copy with a white sky and a floor in two pale greys: bodies stand out, and it takes few bytes."""
    model = copy.copy(model)
    model.tex_data[:] = np.where(model.tex_data > 128, 255, 228)
    for first, rows, columns, kind in zip(
        model.tex_adr, model.tex_height, model.tex_width, model.tex_type, strict=True
    ):
        if kind == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            model.tex_data[first : first + 3 * rows * columns] = 255
    return model


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


def draw(renderer: mujoco.Renderer, pose: np.ndarray, plan: np.ndarray) -> np.ndarray:
    """A picture [height, width, 3] of a body at `pose` [nq] and of ghosts at those of `plan` [ghosts, nq]."""
    model, scene = renderer.model, renderer.scene
    body = _posed(model, pose)
    renderer.update_scene(body, _camera(model, body))
    scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
    _paint(scene, 0, BODY)
    for ghost in plan:
        first, moving = scene.ngeom, mujoco.mjtCatBit.mjCAT_DYNAMIC
        option, perturbation = mujoco.MjvOption(), mujoco.MjvPerturb()
        mujoco.mjv_addGeoms(model, _posed(model, ghost), option, perturbation, moving, scene)
        _paint(scene, first, GHOST)
    return renderer.render()


def _paint(scene: mujoco.MjvScene, first: int, colour: tuple[float, ...]) -> None:
    """Give the moving shapes of a scene, from number `first` on, one colour."""
    for shape in scene.geoms[first : scene.ngeom]:
        if shape.category == mujoco.mjtCatBit.mjCAT_DYNAMIC:
            shape.rgba[:], shape.matid, shape.emission = colour, -1, 0.5


def _posed(model: mujoco.MjModel, pose: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = pose
    mujoco.mj_forward(model, data)
    return data


def _camera(model: mujoco.MjModel, body: mujoco.MjData) -> mujoco.MjvCamera:
    """From the side, going along with the body, as near as its size allows."""
    standing = _posed(model, model.qpos0)
    size = np.ptp(standing.xpos[1:], axis=0).max()
    camera = mujoco.MjvCamera()
    camera.azimuth, camera.elevation, camera.distance = 90.0, -10.0, 2.9 * size
    x, y, _ = body.subtree_com[1]
    camera.lookat[:] = x + 0.3 * size, y, standing.subtree_com[1][2]
    return camera
