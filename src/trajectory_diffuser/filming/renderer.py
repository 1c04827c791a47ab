"""Whether MuJoCo can render here, asked before anything else imports it."""

import os
import sys

from trajectory_diffuser.common.errors import UserError, reason


class CannotFilm(UserError):
    """There are no pictures to be had, and why."""


def require_renderer() -> None:
    """Import MuJoCo so that it renders without a display: on Linux with EGL, unless MUJOCO_GL names another.

    Raises `CannotFilm` with what to install where it cannot.
    """
    if sys.platform == "linux":
        os.environ.setdefault("MUJOCO_GL", "egl")  # read once, when MuJoCo is imported
    try:
        import mujoco

        context = mujoco.GLContext(8, 8)
        context.make_current()
        context.free()
    except Exception as error:  # each of these libraries has a way of its own to say that it is not there
        raise CannotFilm(
            f"MuJoCo cannot render here ({reason(error)}); on Debian and Ubuntu: apt install libegl1 "
            "libgl1-mesa-dri, or: apt install libosmesa6 and export MUJOCO_GL=osmesa"
        ) from None
