"""The planner: draft, refine, act. What it does exactly is a row of the parameters."""

from dataclasses import dataclass
from typing import Any

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
        draft_returns: scaled returns-to-go that were drafted beside the states [B, H], or None.
        age: plans made since the draft was made from scratch.
    """

    states: Tensor
    draft: Tensor | None
    action: Tensor
    draft_returns: Tensor | None = None
    age: int = 0

    def keep(self, rows: Tensor) -> "Plan":
        """The plans of some of the environments, the indices `rows`."""
        draft = None if self.draft is None else self.draft[rows]
        returns = None if self.draft_returns is None else self.draft_returns[rows]
        return Plan(self.states[rows], draft, self.action[rows], returns, self.age)


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

    @classmethod
    def from_row(
        cls,
        models: PlanningModels,
        row: dict[str, Any],
        task_guidance: float,
        device: torch.device,
        seed: int,
    ) -> "TrajectoryPlanner":
        """The planner of a row of the parameters, with noise of its own from `seed`."""
        settings = PlannerSettings.from_row(row, task_guidance, models.diffusion.diffusion_steps)
        return cls(models, settings, torch.Generator(device).manual_seed(seed))

    @torch.inference_mode()
    def plan(
        self, states: Tensor, returns_to_go: Tensor, previous: Plan | None = None, moved: int = 1
    ) -> Plan:
        """Plan the next `horizon` states.

        Args:
            states: normalised history [B, T, state], the present state last, T at most `history`.
            returns_to_go: scaled returns-to-go [B, T].
            previous: the plan made `moved` steps ago; read by `start: previous_plan` and where a draft is
                carried over.
            moved: steps taken since `previous`, less than the horizon.
        """
        settings = self.settings
        draft, draft_returns, age = self._draft(states, returns_to_go, previous, moved)
        chain = self.first_chain if draft is None else self.chain
        plan, target = self._enter_chain(draft, states[:, -1], chain), returns_to_go[:, -1]
        apart = len(plan) // len(target)  # candidates that noise has told apart already
        if apart > 1:
            target = target.repeat_interleave(apart)  # [B C]
        plan = self.models.diffusion.denoise(
            plan,
            chain,
            target,
            settings.guidance,
            settings.temperature,
            self.generator,
            candidates=settings.candidates // apart,
        )
        action = self.models.inverse_dynamics(plan[:, 0], plan[:, 1])  # [B, action] or [B C, action]
        if len(plan) > len(states):
            value = self.models.value(plan[:, 0], action).view(len(states), -1)  # [B, C]
            best = value.argmax(dim=1) + value.shape[1] * torch.arange(len(value), device=value.device)  # [B]
            plan, action = plan[best], action[best]
        return Plan(plan, draft, action, draft_returns, age)

    def _draft(
        self, states: Tensor, returns_to_go: Tensor, previous: Plan | None, moved: int
    ) -> tuple[Tensor | None, Tensor | None, int]:
        """Where refinement starts from [B, H, state], the present state first, None for noise; see `Plan`."""
        present, horizon = states[:, -1:], self.models.horizon
        if self.settings.start == "previous_plan" and previous is not None:
            # The plan's later states have become the nearer ones; its last state is held.
            held = previous.states[:, -1:].expand(-1, moved, -1)
            return torch.cat([present, previous.states[:, moved + 1 :], held], dim=1), None, 0
        if self.settings.start != "draft":
            return None, None, 0
        draft, draft_returns, age = present, returns_to_go[:, -1:], 0
        if previous is not None and previous.age + 1 < self.settings.redraft_every:
            # The draft is carried over: its later states are read as if they had happened already.
            carried, carried_returns = previous.draft[:, moved + 1 :], previous.draft_returns[:, moved + 1 :]
            states = torch.cat([states, carried], dim=1)  # [B, T + H - 1 - moved, state]
            returns_to_go = torch.cat([returns_to_go, carried_returns], dim=1)
            draft = torch.cat([draft, carried], dim=1)  # [B, H - moved, state]
            draft_returns = torch.cat([draft_returns, carried_returns], dim=1)
            age = previous.age + 1
        missing = horizon - draft.shape[1]
        drafted, drafted_returns = self.models.transformer.draft(states, returns_to_go, missing)
        return torch.cat([draft, drafted], dim=1), torch.cat([draft_returns, drafted_returns], dim=1), age

    def _enter_chain(self, draft: Tensor | None, present: Tensor, chain: ReverseChain) -> Tensor:
        """Bring the start to the noise level at which the chain begins, the present state in front.

        [B, H, state]; where that takes noise, which tells candidates apart, all of them [B C, H, state].
        """
        settings = self.settings
        if draft is not None and not chain.steps:
            return draft
        noisy = settings.temperature > 0 and (draft is None or settings.forward_noise)
        if noisy and settings.candidates > 1:
            present = present.repeat_interleave(settings.candidates, dim=0)  # [B C, state]
            draft = None if draft is None else draft.repeat_interleave(settings.candidates, dim=0)
        if draft is None:
            plan = settings.temperature * self._noise(present)
        else:
            plan = chain.signal * draft
            if settings.forward_noise:
                plan.add_(self._noise(present), alpha=settings.temperature * chain.noise)
        plan[:, 0] = present
        return plan

    def _noise(self, present: Tensor) -> Tensor:
        shape = (len(present), self.models.horizon, present.shape[1])
        return torch.randn(shape, generator=self.generator, device=present.device)
