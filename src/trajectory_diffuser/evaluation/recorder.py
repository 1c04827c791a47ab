"""The plans and the path of one episode, for the report's pictures."""

from dataclasses import dataclass, field

import numpy as np
import torch

from trajectory_diffuser.planning.agent import Agent

PLAN_SNAPSHOTS = 24


@dataclass
class Recorder:
    """Keeps the plans, if any are made, and the path of an agent's first episode.

    Attributes:
        agent: it has just decided when `record` is called.
        steps: at which it took a new plan.
        drafts: normalised drafts of these plans, each [H, state]; NaN where there was none.
        refined: the plans that became of them.
        executed: observations so far, each [obs].
    """

    agent: Agent
    steps: list[int] = field(default_factory=list)
    drafts: list[torch.Tensor] = field(default_factory=list)
    refined: list[torch.Tensor] = field(default_factory=list)
    executed: list[np.ndarray] = field(default_factory=list)

    def record(self, observation: np.ndarray) -> None:
        """Keep what the agent saw [obs], and its plan if it has one that is new."""
        self.executed.append(observation.copy())
        plan = self.agent.memory.new_plan
        if plan is None:
            return
        missing = torch.full_like(plan.states[0], torch.nan)
        # Copies: a slice would hold on to the plans of all episodes.
        self.drafts.append(missing if plan.draft is None else plan.draft[0, :, :-1].clone())
        self.refined.append(plan.states[0].clone())
        self.steps.append(len(self.executed) - 1)

    def finish(self, observation: np.ndarray) -> None:
        """Keep what was seen when the episode was over [obs]."""
        self.executed.append(observation.copy())

    def plans(self) -> dict[str, np.ndarray]:
        """PLAN_SNAPSHOTS plans at most, evenly spaced, and the whole path; see `Rollout.plans`."""
        if not self.refined:
            return {}
        chosen = np.unique(np.linspace(0, len(self.refined) - 1, PLAN_SNAPSHOTS).round().astype(int))
        normaliser = self.agent.units.normaliser
        raw = {
            name: normaliser.unnormalise(torch.stack([plans[index] for index in chosen]).cpu().numpy())
            for name, plans in {"draft": self.drafts, "plan": self.refined}.items()
        }
        return {
            "steps": np.array(self.steps)[chosen],
            **raw,
            "executed": np.stack(self.executed).astype(np.float32),
        }
