"""A picture of a MuJoCo body and of the ghosts of what it is to do, from where both are seen best."""

import copy

import mujoco
import numpy as np

BODY, GHOST = (0.85, 0.35, 0.1, 1.0), (0.1, 0.4, 0.9, 0.25)
PAPER, FLOOR, CHEQUERED = (1.0, 1.0, 1.0, 1.0), (0.75, 0.75, 0.75, 1.0), (0.9, 0.9, 0.9, 1.0)
SHEET = 10  # how far behind all it hangs, in the camera's distances
MOVES, STAYS = mujoco.mjtCatBit.mjCAT_DYNAMIC, mujoco.mjtCatBit.mjCAT_STATIC
UPRIGHT = 0.99  # of an axis' unit length; what is as much along z stands


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


def draw(renderer: mujoco.Renderer, pose: np.ndarray, plan: np.ndarray) -> np.ndarray:
    """A picture [height, width, 3] of a body at `pose` [nq] and of ghosts at those of `plan` [ghosts, nq]."""
    model, scene = renderer.model, renderer.scene
    body = _posed(model, pose)
    seen = camera(model, body)
    renderer.update_scene(body, seen)
    scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
    _paint(scene.geoms[: scene.ngeom], BODY)
    for shape in scene.geoms[: scene.ngeom]:
        if shape.category == STAYS:
            shape.rgba[:], shape.emission = (FLOOR, 0.8) if shape.matid == -1 else (CHEQUERED, 0.0)
    _hang_sheet(scene, SHEET * seen.distance)
    for ghost in plan:
        first = scene.ngeom
        option, perturbation = mujoco.MjvOption(), mujoco.MjvPerturb()
        mujoco.mjv_addGeoms(model, _posed(model, ghost), option, perturbation, MOVES, scene)
        _paint(scene.geoms[first : scene.ngeom], GHOST)
    return renderer.render()


def _paint(shapes: list[mujoco.MjvGeom], colour: tuple[float, ...]) -> None:
    """Give those of the shapes that move one colour."""
    for shape in shapes:
        if shape.category == MOVES:
            shape.rgba[:], shape.matid, shape.emission, shape.specular = colour, -1, 0.5, 0.0


def _hang_sheet(scene: mujoco.MjvScene, far: float) -> None:
    """Hang a white sheet so far behind all; without it a model that has no sky is seen before black."""
    eye = scene.camera[0]
    turned = np.column_stack([np.cross(eye.forward, eye.up), eye.up, -eye.forward]).ravel()
    box, size = mujoco.mjtGeom.mjGEOM_BOX, np.array([far, far, 0.1])
    sheet = scene.geoms[scene.ngeom]
    mujoco.mjv_initGeom(sheet, box, size, eye.pos + far * eye.forward, turned, np.float32(PAPER))
    sheet.emission = 1.0
    scene.ngeom += 1


def _posed(model: mujoco.MjModel, pose: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = pose
    mujoco.mj_forward(model, data)
    return data


def camera(model: mujoco.MjModel, body: mujoco.MjData) -> mujoco.MjvCamera:
    """Going along with the body, as near as its size allows: from the side or, where it lies, from above."""
    standing = _posed(model, model.qpos0)
    size = np.ptp(_corners(model, standing), axis=(0, 1)).max()
    seen = mujoco.MjvCamera()
    seen.azimuth, seen.distance = 90.0, 2.5 * size
    seen.elevation = -90.0 if lies(model) else -10.0
    x, y, _ = body.subtree_com[1]
    seen.lookat[:] = x + 0.25 * size, y, standing.subtree_com[1][2]
    return seen


def lies(model: mujoco.MjModel) -> bool:
    """Whether no joint lifts anything: they slide in the plane, or turn about what stands on it.

    From the side such a body, a swimmer say, would be a line.
    """
    standing = _posed(model, model.qpos0)
    upright = np.abs(standing.xaxis[:, 2])  # [joints]
    slides = (model.jnt_type == mujoco.mjtJoint.mjJNT_SLIDE) & (upright < 1 - UPRIGHT)
    turns = (model.jnt_type == mujoco.mjtJoint.mjJNT_HINGE) & (upright > UPRIGHT)
    return bool((slides | turns).all())


def _corners(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """Lowest and highest corners [2, shapes, 3] of boxes about the shapes that can move."""
    turned = data.geom_xmat.reshape(-1, 3, 3)
    centre = data.geom_xpos + np.einsum("nij,nj->ni", turned, model.geom_aabb[:, :3])
    half = np.einsum("nij,nj->ni", np.abs(turned), model.geom_aabb[:, 3:])
    moves = model.body_weldid[model.geom_bodyid] != 0
    return np.stack([centre - half, centre + half])[:, moves]
