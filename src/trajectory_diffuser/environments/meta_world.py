"""Meta-World, which is installed only where somebody wants it (pyproject's group `metaworld`).

Its environments are made as `Meta-World/MT1` with the task's name as the argument `env_name` and the list of
goals from the argument `seed`.
"""

from typing import Any

import gymnasium
import numpy as np

from trajectory_diffuser.common.errors import UserError

PREFIX = "Meta-World/"


def register(identifier: str) -> None:
    """Import the package, which registers its environments, if the id is one of them.

    Raises `UserError` when it is not installed.
    """
    if not identifier.startswith(PREFIX):
        return
    try:
        import metaworld  # noqa: F401
    except ImportError:
        raise UserError(
            f"params.yaml: environment.id: {identifier} needs the package metaworld; "
            "run: pip install metaworld==3.1.1"
        ) from None


def is_meta_world(environment: gymnasium.Env) -> bool:
    """Whether the environment is one of Meta-World's."""
    return environment.spec is not None and environment.spec.id.startswith(PREFIX)


class SeedBeforeReset(gymnasium.Wrapper):
    """Seed the choice of the goal too: Meta-World draws it before it seeds itself."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """As any environment's: the same seed gives the same goal and start."""
        if seed is not None:
            self.unwrapped.seed(seed)
        return self.env.reset(seed=seed, options=options)
