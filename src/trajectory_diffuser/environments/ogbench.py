"""OGBench's manipulation tasks, installed only where somebody wants them (pyproject's group `ogbench`).

Park et al., "OGBench: Benchmarking Offline Goal-Conditioned RL", arXiv 2410.20092. Its single-task variants
(`cube-single-singletask-v0`) have a reward: minus the number of parts of the task that are unsolved in the
state in which the action is taken; an episode terminates with the first action taken in a solved state.
"""

import re
import warnings
from functools import cached_property
from typing import Any

import gymnasium
import numpy as np

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments.watching import Watched

SINGLE_TASK = re.compile(r"^((cube|puzzle|scene)(?:-\w+)?)-singletask(?:-task\d)?(-v\d)$")


def register(identifier: str) -> None:
    """Import the package, which registers its environments, if the id is one of its manipulation tasks.

    Raises `UserError` when it is not installed.
    """
    if not SINGLE_TASK.match(identifier):
        return
    try:
        with warnings.catch_warnings():  # glfw warns where there is no display; nothing here needs one
            warnings.simplefilter("ignore")
            from ogbench.manipspace.envs.manipspace_env import ManipSpaceEnv
    except ImportError:
        raise UserError(
            f"params.yaml: environment.id: {identifier} needs the package ogbench; "
            "run: pip install ogbench==1.2.2 dm-control==1.0.28"
        ) from None
    if isinstance(ManipSpaceEnv.action_space, property):
        # A reset draws moves from an action space that is new, hence unseeded, each time it is asked for.
        # Kept instead, `SeedMovesBeforeReset` can seed it.
        space = cached_property(ManipSpaceEnv.action_space.fget)
        space.__set_name__(ManipSpaceEnv, "action_space")
        ManipSpaceEnv.action_space = space


def is_ogbench(environment: gymnasium.Env) -> bool:
    """Whether the environment is one of OGBench's manipulation tasks with a reward."""
    return environment.spec is not None and SINGLE_TASK.match(environment.spec.id) is not None


def make_data_collection_environment(task: gymnasium.Env, max_episode_steps: int) -> gymnasium.Env:
    """The environment in which OGBench collects data for a task: a random scene and random targets."""
    identifier = SINGLE_TASK.sub(r"\1\3", task.spec.id)
    scene = gymnasium.make(
        identifier,
        max_episode_steps=max_episode_steps,
        disable_env_checker=True,
        mode="data_collection",
        terminate_at_goal=False,
    )
    return Watched(SeedMovesBeforeReset(scene))


class SeedMovesBeforeReset(gymnasium.Wrapper):
    """Seed the moves that OGBench makes before an episode, whose traces are left in the simulation."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        with warnings.catch_warnings():  # about bounds that become float32
            warnings.simplefilter("ignore")
            self.moves = env.unwrapped.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """As any environment's: the same seed gives the same start, to the bit."""
        if seed is not None:
            self.moves.seed(seed)
        return self.env.reset(seed=seed, options=options)
