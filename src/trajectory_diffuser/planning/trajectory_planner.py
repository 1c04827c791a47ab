"""The planner: draft, refine, act. What it does exactly is a row of the parameters."""

from dataclasses import dataclass

import torch
from torch import Tensor

from trajectory_diffuser.diffusion.reverse_chain import ReverseChain
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.settings import PlannerSettings


@dataclass(frozen=True)
class Plan:
    """Plans for B environments in normalised units.

    Attributes:
        states: refined states [B, H, state], the present one first.
        draft: what refinement started from [B, H, state], or None where it started from noise.
        action: action that leads to each plan's second state [B, action].
    """

    states: Tensor
    draft: Tensor | None
    action: Tensor


class TrajectoryPlanner:
    """Plans from a history of states and returns-to-go; keeps nothing between calls.

    Args:
        models: the trained networks.
        settings: how to plan.
        generator: source of all noise, on the models' device.
    """

    def __init__(self, models: PlanningModels, settings: PlannerSettings, generator: torch.Generator) -> None:
        self.models = models
        self.settings = settings
        self.generator = generator
        self.chain, self.first_chain = (
            models.diffusion.chain(steps, settings.sampler)
            for steps in (settings.steps, settings.first_plan_steps)
        )

    @torch.inference_mode()
    def plan(self, states: Tensor, returns_to_go: Tensor, previous: Tensor | None = None) -> Plan:
        """Plan the next `horizon` states.

        Args:
            states: normalised history [B, T, state], the present state last, T at most `history`.
            returns_to_go: scaled returns-to-go [B, T].
            previous: states of the plan made one step ago [B, H, state]; read by `start: previous_plan` only.
        """
        settings = self.settings
        draft = self._draft(states, returns_to_go, previous)  # [B, H, state] or None
        chain = self.first_chain if draft is None else self.chain
        candidates = settings.candidates
        present, target = states[:, -1], returns_to_go[:, -1]
        if candidates > 1:  # side by side, all from the one draft
            present = present.repeat_interleave(candidates, dim=0)  # [B C, state]
            target = target.repeat_interleave(candidates, dim=0)  # [B C]
        plan = self._enter_chain(draft, present, chain)  # [B C, H, state]
        plan = self.models.diffusion.denoise(
            plan, chain, target, settings.guidance, settings.temperature, self.generator
        )
        action = self.models.inverse_dynamics(plan[:, 0], plan[:, 1])  # [B C, action]
        if candidates > 1:
            value = self.models.value(plan[:, 0], action).view(-1, candidates)  # [B, C]
            best = value.argmax(dim=1) + candidates * torch.arange(len(value), device=value.device)  # [B]
            plan, action = plan[best], action[best]
        return Plan(plan, draft, action)

    def _draft(self, states: Tensor, returns_to_go: Tensor, previous: Tensor | None) -> Tensor | None:
        """Where refinement starts from [B, H, state], the present state first; None for noise."""
        present = states[:, -1:]  # [B, 1, state]
        if self.settings.start == "draft":
            drafted, _ = self.models.transformer.draft(states, returns_to_go, self.models.horizon - 1)
            return torch.cat([present, drafted], dim=1)
        if self.settings.start == "previous_plan" and previous is not None:
            # One step on: the plan's second state has become the present one; its last state is held.
            return torch.cat([present, previous[:, 2:], previous[:, -1:]], dim=1)
        return None

    def _enter_chain(self, draft: Tensor | None, present: Tensor, chain: ReverseChain) -> Tensor:
        """Bring the start to the noise level at which the chain begins [B C, H, state]."""
        settings = self.settings
        if draft is None:
            plan = settings.temperature * self._noise(present)
        else:
            plan = draft
            if settings.candidates > 1:
                plan = plan.repeat_interleave(settings.candidates, dim=0)
            if not chain.steps:
                return plan
            plan = chain.signal * plan
            if settings.forward_noise:
                plan.add_(self._noise(present), alpha=settings.temperature * chain.noise)
        plan[:, 0] = present
        return plan

    def _noise(self, present: Tensor) -> Tensor:
        shape = (len(present), self.models.horizon, present.shape[1])
        return torch.randn(shape, generator=self.generator, device=present.device)
