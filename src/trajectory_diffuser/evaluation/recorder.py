"""The plans and the path of one episode, for the report's pictures."""

from dataclasses import dataclass, field

import numpy as np
import torch

from trajectory_diffuser.planning.planner import Planner

PLAN_SNAPSHOTS = 24


@dataclass
class Recorder:
    """Keeps the plans and the path of an agent's first episode.

    Attributes:
        agent: it has just planned when `record` is called.
        drafts: normalised drafts of all steps so far, each [H, state]; NaN where there was none.
        refined: the plans that became of them.
        executed: observations so far, each [obs].
    """

    agent: Planner
    drafts: list[torch.Tensor] = field(default_factory=list)
    refined: list[torch.Tensor] = field(default_factory=list)
    executed: list[np.ndarray] = field(default_factory=list)

    def record(self, observation: np.ndarray) -> None:
        """Keep the agent's last plan and what it saw then [obs]."""
        plan = self.agent.last_plan
        assert plan is not None
        missing = torch.full_like(plan.states[0], torch.nan)
        # Copies: a slice would hold on to the plans of all episodes.
        self.drafts.append(missing if plan.draft is None else plan.draft[0].clone())
        self.refined.append(plan.states[0].clone())
        self.executed.append(observation.copy())

    def finish(self, observation: np.ndarray) -> None:
        """Keep what was seen when the episode was over [obs]."""
        self.executed.append(observation.copy())

    def plans(self) -> dict[str, np.ndarray]:
        """PLAN_SNAPSHOTS plans at most, evenly spaced, and the whole path; see `Rollout.plans`."""
        steps = np.unique(np.linspace(0, len(self.refined) - 1, PLAN_SNAPSHOTS).round().astype(int))
        normaliser = self.agent.planner.models.normaliser
        chosen = {"draft": self.drafts, "plan": self.refined}
        raw = {
            name: normaliser.unnormalise(torch.stack([plans[step] for step in steps])).cpu().numpy()
            for name, plans in chosen.items()
        }
        return {"steps": steps, **raw, "executed": np.stack(self.executed).astype(np.float32)}
