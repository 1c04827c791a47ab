"""What every episode must be before anything is trained on it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import gymnasium
import numpy as np

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.common.errors import UserError

BOUND_TOLERANCE = 1e-4  # in actions: rounding, not another scale


def checked_episodes(
    episodes: Iterable[Episode], environment: gymnasium.Env, name: str, clip_actions: bool = False
) -> Iterator[Episode]:
    """The episodes, one at a time, as long as they have finite values of the environment's sizes and bounds.

    Args:
        episodes: to check.
        environment: what they must fit.
        name: what an error calls the data.
        clip_actions: clip actions to the environment's bounds instead of refusing them.

    Raises `UserError`, also when there is no episode at all.
    """
    observation_size = environment.observation_space.shape[0]
    space = environment.action_space
    index = -1
    for index, episode in enumerate(episodes):
        _check_shapes(
            episode, observation_size, space.shape[0], f"{name}: episode {index}", environment.spec.id
        )
        for array in ("observations", "actions", "rewards"):
            with np.errstate(over="ignore"):
                values = np.asarray(getattr(episode, array), np.float32)  # as they will be stored
            if not np.isfinite(values).all():
                raise UserError(
                    f"{name}: episode {index} has non-finite {array}; repair it or fetch it again"
                )
        if clip_actions:
            episode = replace(episode, actions=np.clip(episode.actions, space.low, space.high))
        beyond = np.maximum(space.low - episode.actions, episode.actions - space.high).max()
        if beyond > BOUND_TOLERANCE:
            raise UserError(
                f"{name}: episode {index} has an action {beyond:.3g} outside {environment.spec.id}'s bounds; "
                "set source.clip_actions: true if its environment clips actions, or bring data in the right "
                "scale"
            )
        yield episode
    if index < 0:
        raise UserError(f"{name}: no episodes in it; fetch or bring it again")


def _check_shapes(
    episode: Episode, observation_size: int, action_size: int, where: str, environment: str
) -> None:
    steps = np.size(episode.rewards)
    if steps == 0:
        raise UserError(f"{where} has no steps; leave it out")
    expected = {
        "observations": (steps + 1, observation_size),
        "actions": (steps, action_size),
        "rewards": (steps,),
    }
    for array, shape in expected.items():
        found = np.shape(getattr(episode, array))
        if found != shape:
            raise UserError(
                f"{where} has {array} of shape {found}; with {steps} rewards {environment} needs {shape}: "
                "name the data's environment (environment.id, observation_keys) or bring other data"
            )
