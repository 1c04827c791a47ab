"""Gymnasium environments as `params.yaml` describes them, with one flat observation vector each."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from trajectory_diffuser.common.errors import UserError

with redirect_stderr(io.StringIO()):  # a notice about Adroit rewards, which is not about this project
    import gymnasium_robotics

gymnasium.register_envs(gymnasium_robotics)

# The episode goes on at the goal, and the goal stays: the return counts the steps spent there.
MAZE_ARGUMENTS = {"continuing_task": True, "reset_target": False}


class JoinObservations(gymnasium.ObservationWrapper):
    """Join entries of a dictionary observation into one vector, in the order of `keys`."""

    def __init__(self, env: gymnasium.Env, keys: Sequence[str]) -> None:
        super().__init__(env)
        self.keys = tuple(keys)
        spaces = [env.observation_space[key] for key in self.keys]
        self.observation_space = gymnasium.spaces.Box(
            low=np.concatenate([space.low.ravel() for space in spaces]),
            high=np.concatenate([space.high.ravel() for space in spaces]),
            dtype=np.float64,
        )

    def observation(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        """The joined vector, shape [sum of the entries' sizes]."""
        return np.concatenate([observation[key].ravel() for key in self.keys])


def make_environment(environment: dict[str, Any]) -> gymnasium.Env:
    """One environment of a task's `environment` entry (id, max_episode_steps, observation_keys).

    Raises `UserError` for an unknown id and for observation keys that do not fit the environment.
    """
    identifier, keys = environment["id"], environment["observation_keys"]
    arguments = MAZE_ARGUMENTS if identifier.startswith("PointMaze_") else {}
    try:
        env = gymnasium.make(
            identifier,
            max_episode_steps=environment["max_episode_steps"],
            disable_env_checker=True,
            **arguments,
        )
    except gymnasium.error.UnregisteredEnv as error:
        raise UserError(
            f"params.yaml: environment.id: {identifier!r} is unknown: {_one_line(error)}"
        ) from None
    space = env.observation_space
    if not isinstance(space, gymnasium.spaces.Dict):
        if keys is not None:
            raise UserError(
                f"params.yaml: environment.observation_keys: {identifier} has a plain vector; use null"
            )
        return env
    if keys is None or not set(keys) <= set(space.keys()):
        raise UserError(
            f"params.yaml: environment.observation_keys: {keys} does not fit {identifier}; "
            f"list some of: {', '.join(space.keys())}"
        )
    return JoinObservations(env, keys)


def make_vector_environment(environment: dict[str, Any], count: int) -> SyncVectorEnv:
    """`count` copies of the environment stepped as one: observations [count, obs], actions [count, act].

    An environment whose episode has ended starts a new one at the next step (Gymnasium's default).
    """
    return SyncVectorEnv(
        [lambda: make_environment(environment)] * count, autoreset_mode=AutoresetMode.NEXT_STEP
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
