"""Environments as `params.yaml` describes them, with one flat observation vector each."""

import io
from collections.abc import Sequence
from contextlib import redirect_stderr
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from trajectory_diffuser.common.errors import UserError, one_line, reason
from trajectory_diffuser.environments import meta_world, ogbench
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.environments.watching import Watched

with redirect_stderr(io.StringIO()):  # a notice about Adroit rewards, which is not about this project
    import gymnasium_robotics

gymnasium.register_envs(gymnasium_robotics)


class JoinObservations(gymnasium.ObservationWrapper):
    """Join entries of a dictionary observation into one vector, in the order of `keys`."""

    def __init__(self, env: gymnasium.Env, keys: Sequence[str]) -> None:
        super().__init__(env)
        self.keys = tuple(keys)
        parts = [spaces.flatten_space(env.observation_space[key]) for key in self.keys]
        self.observation_space = spaces.Box(
            low=np.concatenate([part.low for part in parts]),
            high=np.concatenate([part.high for part in parts]),
            dtype=np.float64,
        )

    def observation(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        """The joined vector, shape [sum of the entries' sizes]."""
        space = self.env.observation_space
        return np.concatenate([spaces.flatten(space[key], observation[key]) for key in self.keys])


def make_environment(environment: dict[str, Any]) -> gymnasium.Env:
    """One environment of a task's `environment` entry (id, arguments, max_episode_steps, observation_keys).

    Raises `UserError` for an unknown id, for arguments that it does not take and for observation keys that do
    not fit it. Its resets and steps are watched, see `Watched`.
    """
    identifier, keys = environment["id"], environment["observation_keys"]
    meta_world.register(identifier)
    ogbench.register(identifier)
    try:
        env = gymnasium.make(
            identifier,
            max_episode_steps=environment["max_episode_steps"],
            disable_env_checker=True,
            **environment["arguments"],
        )
    except ImportError as error:
        raise UserError(
            f"params.yaml: environment.id: {identifier!r} cannot be made: {one_line(error)} "
            "Install what is missing; a module of your own is found with: export PYTHONPATH=ITS_FOLDER"
        ) from None
    except (TypeError, ValueError) as error:
        raise UserError(
            f"params.yaml: environment.arguments: {identifier} does not take "
            f"{environment['arguments']}: {one_line(error)}"
        ) from None
    except Exception as error:  # whatever somebody else's code makes of it
        raise UserError(
            f"params.yaml: environment.id: {identifier!r} cannot be made: {reason(error)}"
        ) from None
    if meta_world.is_meta_world(env):
        env = meta_world.SeedBeforeReset(env)
    if ogbench.is_ogbench(env):
        env = ogbench.SeedMovesBeforeReset(env)
    env = _with_flat_observations(env, keys)
    for name in ("observation_space", "action_space"):
        space = getattr(env, name)
        if not isinstance(space, spaces.Box) or len(space.shape) != 1:
            raise UserError(
                f"params.yaml: environment.id: {identifier} has {name} {space}; "
                "it must be a vector of numbers"
            )
    return Watched(env)


def make_vector_environment(environment: dict[str, Any], count: int) -> SyncVectorEnv:
    """`count` copies of the environment stepped as one: observations [count, obs], actions [count, act].

    An environment whose episode has ended starts a new one at the next step (Gymnasium's default).
    """
    return SyncVectorEnv(
        [lambda: make_environment(environment)] * count, autoreset_mode=AutoresetMode.NEXT_STEP
    )


def join_observations(observations: Any, space: spaces.Space, keys: Sequence[str] | None) -> np.ndarray:
    """An episode's recorded observations [L + 1, ...] as `JoinObservations` has them [L + 1, obs].

    Observations that are vectors already are returned as they are, whatever the keys.
    """
    if not isinstance(space, spaces.Dict):
        return np.asarray(observations).reshape(len(observations), -1)
    return np.concatenate([_flatten_batch(space[key], observations[key]) for key in keys], axis=1)


def _flatten_batch(space: spaces.Space, values: Any) -> np.ndarray:
    if isinstance(space, spaces.Dict):
        parts = [_flatten_batch(inner, values[key]) for key, inner in space.spaces.items()]
        return np.concatenate(parts, axis=1)
    return np.asarray(values).reshape(len(values), -1)


def _with_flat_observations(env: gymnasium.Env, keys: Sequence[str] | None) -> gymnasium.Env:
    identifier, space = env.spec.id, env.observation_space
    if not isinstance(space, spaces.Dict):
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
    if Maze.of_environment(env) is not None:
        # Ways and walls are asked of observations that begin with the position and end with the goal.
        first = ["observation", "achieved_goal"] if identifier.startswith("PointMaze_") else ["achieved_goal"]
        if keys[0] not in first or keys[-1] != "desired_goal":
            raise UserError(
                f"params.yaml: environment.observation_keys: {keys}: in a maze like {identifier} the "
                f"position ({' or '.join(first)}) must come first and desired_goal last"
            )
    return JoinObservations(env, keys)
