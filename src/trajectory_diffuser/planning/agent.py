"""Receding-horizon control: the planner with its memory of each episode, in the environment's own units."""

import numpy as np
import torch
from torch import Tensor

from trajectory_diffuser.planning.planner import Plan, Planner


class PlanningAgent:
    """Acts in N environments whose episodes began together.

    It keeps the last `history` states and returns-to-go and the previous plan; the return-to-go starts at the
    target return and falls by each reward.

    Args:
        planner: makes the plans.
        target_return: return asked for at the start of an episode.
        device: of the planner's models.
    """

    def __init__(self, planner: Planner, target_return: float, device: torch.device) -> None:
        self.planner = planner
        self.target_return = target_return
        self.device = device
        self.states: Tensor | None = None  # [N, T, state], normalised
        self.returns_to_go: Tensor | None = None  # [N, T], scaled
        self.last_plan: Plan | None = None

    def act(self, observations: np.ndarray, rewards: np.ndarray | None = None) -> np.ndarray:
        """Actions [N, action] for raw observations [N, obs].

        Args:
            observations: what the environments returned.
            rewards: rewards of the previous actions [N]; None at the first step of the episodes.
        """
        models = self.planner.models
        observed = torch.as_tensor(observations, dtype=torch.float32, device=self.device)
        state = models.normaliser.normalise(observed)[:, None]  # [N, 1, state]
        if rewards is None or self.states is None or self.returns_to_go is None:
            target = self.target_return / models.return_scale
            self.states = state
            self.returns_to_go = torch.full(state.shape[:2], target, device=self.device)
            self.last_plan = None
        else:
            reward = (
                torch.as_tensor(rewards, dtype=torch.float32, device=self.device)[:, None]
                / models.return_scale
            )
            left = self.returns_to_go[:, -1:] - reward
            self.states = torch.cat([self.states, state], dim=1)[:, -models.history :]
            self.returns_to_go = torch.cat([self.returns_to_go, left], dim=1)[:, -models.history :]
        previous = None if self.last_plan is None else self.last_plan.states
        self.last_plan = self.planner.plan(self.states, self.returns_to_go, previous)
        return self.last_plan.action.cpu().numpy()

    def keep(self, running: np.ndarray) -> None:
        """Forget the environments for which `running` [N] is False: their episodes are over."""
        kept = torch.as_tensor(running, device=self.device)
        assert self.states is not None and self.returns_to_go is not None and self.last_plan is not None
        self.states, self.returns_to_go = self.states[kept], self.returns_to_go[kept]
        plan = self.last_plan
        draft = None if plan.draft is None else plan.draft[kept]
        self.last_plan = Plan(plan.states[kept], draft, plan.action[kept])
