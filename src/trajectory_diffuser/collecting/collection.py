"""Whole episodes of a policy in an environment, a stated number of steps of them, from derived seeds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import gymnasium
import numpy as np

from trajectory_diffuser.computing.seeding import derive_seed

Policy = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Maps an observation [obs] and a source of noise to an action [act]."""


@dataclass(frozen=True)
class Episode:
    """One episode of L steps. It ends with a termination or else with a truncation."""

    observations: np.ndarray  # [L + 1, obs]
    actions: np.ndarray  # [L, act]
    rewards: np.ndarray  # [L]
    terminated: bool
    seed: int | None = None  # of the environment's reset, where it is known

    def __len__(self) -> int:
        return len(self.rewards)


def collect_episode(environment: gymnasium.Env, policy: Policy, seed: int) -> Episode:
    """One episode from the environment reset with `seed`, which also seeds the policy's noise."""
    generator = np.random.default_rng([seed, 1])  # environments draw their start from default_rng(seed)
    observation, _ = environment.reset(seed=seed)
    observations, actions, rewards = [observation], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        action = policy(observation, generator)
        observation, reward, terminated, truncated, _ = environment.step(action)
        observations.append(observation)
        actions.append(action)
        rewards.append(reward)
    return Episode(
        np.array(observations), np.array(actions), np.array(rewards, float), bool(terminated), seed
    )


def collect_steps(
    environment: gymnasium.Env, policy: Policy, steps: int, seed_parts: tuple[object, ...]
) -> Iterator[Episode]:
    """Whole episodes that hold at least `steps` steps; episode i's seed derives from `seed_parts` and i."""
    collected = index = 0
    while collected < steps:
        episode = collect_episode(environment, policy, derive_seed(*seed_parts, index))
        yield episode
        collected += len(episode)
        index += 1
