"""Datasets that a mixture of actors collects, like D4RL's medium, medium-replay and medium-expert.

Actors act with their own stochastic policy, its standard deviation scaled by `noise`: 1 is what fills a
learner's replay buffer, and how D4RL collected its medium and expert data.
"""

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from trajectory_diffuser.collecting.actors import LADDER_FILE, Actor, find_actors, read_ladder
from trajectory_diffuser.collecting.collection import Episode, collect_steps
from trajectory_diffuser.collecting.sources.interface import Recording, Request

OWN_LICENCE = "MIT (collected here)"


def open_source(request: Request) -> Recording:
    """Whole episodes of every part of the mixture ({actors, noise, steps}), one part after the other.

    A part's steps are shared out equally among its actors; each actor's last episode is finished, so that
    there are a few steps more in all.
    """
    folder = _folder(request)
    parts = [
        (part, [actor for name in part["actors"] for actor in find_actors(folder, name)])
        for part in request.source["mixture"]
    ]
    algorithm = _ladder_record(request, folder).get("algorithm", "unknown")
    space = request.environment
    fitting = space.observation_space.shape[0], space.action_space.shape[0]
    for _, actors in parts:
        for name, actor in actors:
            if actor.sizes != fitting:
                raise request.error(
                    "mixture",
                    f"actor {name} is for {actor.sizes[0]} observations and {actor.sizes[1]} actions, "
                    f"{space.spec.id} has {fitting[0]} and {fitting[1]}; name an actor of this environment",
                )
    return Recording(
        episodes=_collect(request, parts),
        name=str(folder),
        steps=sum(part["steps"] for part, _ in parts),
        algorithm="; ".join(_describe(part, actors, algorithm) for part, actors in parts),
        licence=OWN_LICENCE,
        origin={"actors": {name: actor.record for _, actors in parts for name, actor in actors}},
    )


def _collect(
    request: Request, parts: list[tuple[dict[str, Any], list[tuple[str, Actor]]]]
) -> Iterator[Episode]:
    for index, (part, actors) in enumerate(parts):
        quota = math.ceil(part["steps"] / len(actors))
        for name, actor in actors:
            policy = partial(_act, actor, part["noise"], request.environment.action_space)
            seed_parts = (*request.seed_parts, index, name)
            yield from collect_steps(request.environment, policy, quota, seed_parts)


def _act(
    actor: Actor,
    noise: float,
    space: gymnasium.spaces.Box,
    observation: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    # Actors act in [-1, 1]; what is recorded is within the environment's own bounds.
    return np.clip(actor(observation, generator, noise), space.low, space.high)


def _describe(part: dict[str, Any], actors: list[tuple[str, Actor]], algorithm: str) -> str:
    learners = dict.fromkeys((actor.record or {}).get("algorithm", algorithm) for _, actor in actors)
    names = ", ".join(name for name, _ in actors)
    return f"{'/'.join(learners)} actors {names} with {part['noise']:g} of their own action noise"


def _folder(request: Request) -> Path:
    ladder = request.source["ladder"]
    return request.external if ladder == "external" else request.data / "behaviour" / ladder


def _ladder_record(request: Request, folder: Path) -> dict[str, Any]:
    if not (folder / LADDER_FILE).exists():
        return {}
    record = read_ladder(folder)
    wanted = request.environment.spec.id
    if record["environment"].rpartition(":")[2] != wanted:  # without the module that registers it
        raise request.error(
            "ladder",
            f"{folder.name} has actors for {record['environment']}, not for {wanted}; name another ladder "
            f"or set environment.id to {record['environment']}",
        )
    return record
