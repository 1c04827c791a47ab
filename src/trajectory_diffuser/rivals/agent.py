"""A rival as the closed loop of the evaluation wants it."""

from itertools import compress

import numpy as np
from d3rlpy.algos.transformer import TransformerAlgoBase
from d3rlpy.base import LearnableBase


class RivalAgent:
    """Acts in N environments whose episodes began together, as d3rlpy acts in one.

    Args:
        algorithm: trained.
        target_return: what a Decision Transformer is asked for at the start of an episode; the others are
            asked for nothing.
        action_bounds: lowest and highest actions [2, act].

    Attributes:
        memory: itself: what is remembered of the episodes, if anything, d3rlpy remembers.
        new_plan: None, nothing is planned.
        episodes: one per running episode, of a Decision Transformer.
    """

    new_plan = None

    def __init__(self, algorithm: LearnableBase, target_return: float, action_bounds: np.ndarray) -> None:
        self.algorithm, self.target_return, self.action_bounds = algorithm, target_return, action_bounds
        self.memory = self
        self.episodes: list | None = None

    def act(self, observations: np.ndarray, rewards: np.ndarray | None) -> np.ndarray:
        """Actions [N, act] for observations [N, obs]; rewards [N] of the last actions, None at the start."""
        observations = np.asarray(observations, np.float32)
        if isinstance(self.algorithm, TransformerAlgoBase):
            if self.episodes is None:
                self.episodes = [self.algorithm.as_stateful_wrapper(self.target_return) for _ in observations]
            received = np.zeros(len(observations)) if rewards is None else rewards
            steps = zip(self.episodes, observations, received, strict=True)
            actions = np.stack([episode.predict(state, float(reward)) for episode, state, reward in steps])
        else:
            actions = self.algorithm.predict(observations)
        return np.clip(actions, *self.action_bounds)

    def keep(self, running: np.ndarray) -> None:
        """Forget the episodes for which `running` [N] is False."""
        if self.episodes is not None:
            self.episodes = list(compress(self.episodes, running))
