"""Datasets that a mixture of behaviour actors collects, like D4RL's medium, medium-replay and medium-expert.

Actors act with their own stochastic policy, its standard deviation scaled by `noise`: 1 is what fills a
learner's replay buffer, and how D4RL collected its medium and expert data.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium
from tqdm import tqdm

from trajectory_diffuser.datasets.actors import Ladder
from trajectory_diffuser.datasets.collection import Episode, collect_steps


def collect_mixture(
    environment: gymnasium.Env,
    ladder: Ladder,
    mixture: Sequence[dict[str, Any]],
    steps: int,
    seed_parts: tuple[object, ...],
    progress: tqdm,
) -> list[Episode]:
    """Whole episodes of every part of the mixture ({rungs, noise, share}), one part after the other.

    A part gets its share of `steps`, in equal numbers for each of its rungs; its last episode is finished, so
    that there are a few steps more in all.
    """
    episodes: list[Episode] = []
    for index, part in enumerate(mixture):
        rungs = ladder.rungs(part["rungs"])
        for rung in rungs:
            quota = round(part["share"] * steps / len(rungs))
            parts = (*seed_parts, index, rung["step"])
            actor = partial(ladder.actor(rung), noise=part["noise"])
            episodes += collect_steps(environment, actor, quota, parts, progress)
    return episodes
