"""The two returns that a normalised score is measured against: 0 is the minimum, 100 the maximum."""

from typing import Any

import gymnasium
import numpy as np
from tqdm import tqdm

from trajectory_diffuser.collecting.collection import Policy, collect_episode
from trajectory_diffuser.computing.progress import drawing_interval
from trajectory_diffuser.computing.seeding import derive_seed


def measure_reference_scores(
    environment: gymnasium.Env, controller: Policy, episodes: int, seed: int
) -> dict[str, Any]:
    """Mean returns of the uniformly random policy (minimum) and of a noiseless controller (maximum).

    Both act in the same `episodes` starts and goals. Returns {minimum, maximum, origin}.
    """
    space = environment.action_space

    def random_policy(observation: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return generator.uniform(space.low, space.high)

    policies: dict[str, Policy] = {"minimum": random_policy, "maximum": controller}
    seeds = [derive_seed(seed, "reference", episode) for episode in range(episodes)]
    scores: dict[str, Any] = {}
    for name, policy in policies.items():
        bar = tqdm(seeds, desc=f"reference score, {name}", unit="episode", mininterval=drawing_interval())
        scores[name] = float(np.mean([collect_episode(environment, policy, s).rewards.sum() for s in bar]))
    origin = f"measured: random policy and noiseless controller, {episodes} episodes each"
    return {**scores, "origin": origin}
