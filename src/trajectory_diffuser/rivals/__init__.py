"""Rivals from the library d3rlpy, outside the graph, in an environment of their own (`make rivals`)."""

import io
from contextlib import redirect_stderr

from trajectory_diffuser.common.errors import UserError

try:
    with redirect_stderr(io.StringIO()):  # a notice that gym, which d3rlpy imports, is not maintained
        import d3rlpy  # noqa: F401
except ModuleNotFoundError:
    raise UserError("d3rlpy is not installed here; it is in .venv-rivals, see `make rivals`") from None
