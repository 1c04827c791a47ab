"""Meta-World, which is installed only where somebody wants it (pyproject's group `metaworld`).

Its environments are made as `Meta-World/MT1` with the task's name as the argument `env_name` and the list of
goals from the argument `seed`. The package's warnings about its controllers' large gains are expected.
"""

import warnings
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


class ScriptedPolicy:
    """Meta-World's own controller for a task, with Gaussian noise on its actions."""

    def __init__(self, environment: gymnasium.Env, action_noise: float = 0.0) -> None:
        """`action_noise`: standard deviation in units of the action's range [-1, 1]."""
        from metaworld.policies import ENV_POLICY_MAP

        self.policy = ENV_POLICY_MAP[environment.spec.kwargs["env_name"]]()
        self.action_noise = action_noise

    def __call__(self, observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Action [4] in [-1, 1] for one observation [39]."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            action = self.policy.get_action(observation)
        noise = self.action_noise * generator.standard_normal(action.shape)
        return np.clip(action + noise, -1.0, 1.0).astype(np.float32)
