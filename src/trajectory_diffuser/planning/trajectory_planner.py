"""The algorithm: draft a plan, refine it, act (Trajectory Diffuser, arXiv 2407.16142).

1. Draft: a causal transformer continues the history of states and returns-to-go, state by state.
2. Refine: the draft enters the reverse diffusion near its end and takes the last few of its steps, guided.
3. Act: an inverse dynamics model says which action leads from the plan's first state to its second.

A row of the parameters, a planner, varies this: no refinement is the draft alone, a start from noise and all
steps are Decision Diffuser. Everything here is in normalised units; `planner.py` has the environment's.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings

# Tokens and denoising steps in one call: what is to be compiled must not grow with the horizon or the chain.
LONGEST_DRAFT = 32
LONGEST_CHAIN = 5


@dataclass(frozen=True)
class Plan:
    """Plans for B environments in normalised units.

    Attributes:
        states: refined states [B, H, state], the present one first.
        action: action that leads to each plan's second state [B, action].
        draft: drafted states and scaled returns-to-go, side by side [B, H, state + 1], the present first;
            None where refinement did not start from a draft.
        age: plans made since the draft was made from scratch.
    """

    states: Tensor
    action: Tensor
    draft: Tensor | None
    age: int = 0

    def keep(self, rows: Tensor) -> "Plan":
        """The plans of some of the environments, the indices `rows`."""
        draft = None if self.draft is None else self.draft[rows]
        return Plan(self.states[rows], self.action[rows], draft, self.age)


class TrajectoryPlanner:
    """Plans from histories; keeps nothing between calls and draws no noise of its own.

    Args:
        models: the trained networks.
        settings: how to plan.
        runtime: what the networks run on.

    Raises:
        UserError: these models cannot plan so: their chain or plans are too short, or their states too far
            apart to go on with a plan one step later.
    """

    def __init__(self, models: PlanningModels, settings: PlannerSettings, runtime: Runtime) -> None:
        self.models, self.settings, self.runtime = models, settings, runtime
        _check(models, settings)
        self.denoise = runtime.compile(
            models.diffusion, "denoise", guidance=settings.guidance, eta=settings.eta
        )
        self.inverse_dynamics = runtime.compile(models.inverse_dynamics)
        self.value = runtime.compile(models.value)
        self.first_t, self.later_t = (
            torch.tensor([*steps, 0], device=runtime.device)
            for steps in (settings.first_timesteps, settings.timesteps)
        )

    @torch.inference_mode()
    def plan(
        self,
        history: Tensor,
        padding: Tensor,
        noise: Tensor,
        previous: Plan | None = None,
        moved: int = 1,
    ) -> Plan:
        """Plan the next `horizon` states, the present one included.

        Args:
            history: states and scaled returns-to-go, side by side [B, history, state + 1], the present last.
            padding: whole number [], how many steps at the history's beginning have not been.
            noise: of `noise_shape`, scaled by the temperature but for that of the present state, which is
                no part of a plan's noise: selection by softmax draws with it.
            previous: the plan made `moved` steps ago, if the settings start from it or carry its draft over.
            moved: steps taken since `previous`, less than the horizon.
        """
        # 1 draft
        start, draft, age = self._draft(history, padding, previous, moved)
        # 2 refine
        plans = self._refine(start, history, noise, self.timesteps(previous))  # [B C, H, state]
        # 3 act
        states, action = self._act(plans, noise)
        return Plan(states, action, draft, age)

    def _draft(
        self, history: Tensor, padding: Tensor, previous: Plan | None, moved: int
    ) -> tuple[Tensor | None, Tensor | None, int]:
        """Where refinement starts [B, H, state], None for noise, and the last fields of `Plan`."""
        if self.settings.start == "previous_plan" and previous is not None:
            # The plan's later states have become the nearer ones; its last state is held.
            held = previous.states[:, -1:].expand(-1, moved, -1)
            return torch.cat([history[:, -1:, :-1], previous.states[:, moved + 1 :], held], dim=1), None, 0
        if self.settings.start != "draft":
            return None, None, 0
        tokens, age = history, 0  # [B, T, state + 1]
        if previous is not None and previous.age + 1 < self.settings.redraft_every:
            # The draft is carried over: its later states are read as if they had happened already.
            tokens = torch.cat([history, previous.draft[:, moved + 1 :]], dim=1)
            age = previous.age + 1
        before = history.shape[1] - 1
        while missing := before + self.models.horizon - tokens.shape[1]:
            length = min(missing, LONGEST_DRAFT)
            tokens = self.runtime.compile(self.models.transformer, "draft", length=length)(tokens, padding)
        draft = tokens[:, before:]  # [B, H, state + 1], the present first
        return draft[..., :-1], draft, age

    def _refine(self, start: Tensor | None, history: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Denoise through all t [S + 1] to clean plans [B C, H, state], candidates side by side."""
        steps = len(t) - 1
        if steps == 0:
            return start
        return_to_go, candidates = history[:, -1, -1], self.settings.candidates  # [B]
        past = self.models.diffusion.known - 1  # states, P
        x_0 = history[:, -1 - past :, :-1]  # [B, P + 1, state], what is known of it
        if start is not None:
            x_0 = torch.cat([x_0, start[:, 1:]], dim=1)  # [B, P + H, state]
        if candidates > 1:
            return_to_go = return_to_go.repeat_interleave(candidates, 0)  # [B C]
            x_0 = x_0.repeat_interleave(candidates, 0)  # [B C, ...]
        if past:
            noise = F.pad(noise, (0, 0, past, 0))  # [B C, S + 1, P + H, state]
        if start is None:
            x_t = torch.cat([x_0, noise[:, 0, past + 1 :]], dim=1)
        else:
            epsilon = noise[:, 0] if self.settings.forward_noise else None
            x_t = self.models.diffusion.add_noise(x_0, t[0], epsilon)
        for first in range(0, steps, LONGEST_CHAIN):
            last = min(first + LONGEST_CHAIN, steps)
            x_t = self.denoise(x_t, t[first : last + 1], return_to_go, noise[:, first + 1 : last + 1])
        return x_t[:, past:]

    def _act(self, plans: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The best plans [B, H, state] and first actions [B, action] of all candidates' [B C, H, state]."""
        actions = self.inverse_dynamics(plans[:, 0], plans[:, 1])  # [B C, action]
        if (candidates := self.settings.candidates) == 1:
            return plans, actions
        values = self.value(plans[:, 0], actions)  # [B C]
        if self.settings.selection == "softmax":
            values = values + gumbel(noise[:, 0, 0, 0])
        values = values.view(-1, candidates)  # [B, C]
        first = candidates * torch.arange(values.shape[0], device=plans.device)  # [B]
        best = first + values.argmax(dim=1)
        return plans[best], actions[best]

    def timesteps(self, previous: Plan | None) -> Tensor:
        """The values of t at which the next plan is denoised, and 0 [S + 1]."""
        return self.first_t if previous is None else self.later_t

    def noise_shape(self, batch: int, previous: Plan | None) -> tuple[int, int, int, int]:
        """Of a plan's noise: to enter the chain with, and for each of its steps [B C, S + 1, H, state]."""
        models, length = self.models, len(self.timesteps(previous))
        return batch * self.settings.candidates, length, models.horizon, len(models.normaliser.mean)


def _check(models: PlanningModels, settings: PlannerSettings) -> None:
    steps, calls = models.diffusion.diffusion_steps, settings.timesteps
    if calls and (max(calls) > steps or len(set(calls)) < len(calls)):
        raise UserError(f"refine_steps: {len(calls)} of the last {max(calls)} steps: the chain has {steps}")
    if settings.actions_per_plan >= models.horizon:
        raise UserError(
            f"actions_per_plan: {settings.actions_per_plan} are more than a plan of {models.horizon} states "
            "has"
        )
    goes_on = settings.start == "previous_plan" or max(settings.redraft_every, settings.actions_per_plan) > 1
    if goes_on and models.stride > 1:
        raise UserError(
            "start: previous_plan, redraft_every and actions_per_plan go on with a plan one step later, and "
            f"the states of these models' plans are {models.stride} steps apart; use another planner"
        )


def gumbel(noise: Tensor) -> Tensor:
    """Gumbel noise of standard normal noise: the highest of values with it is a draw by their softmax."""
    quantiles = 0.5 + 0.5 * torch.erf(noise / 2**0.5)  # uniform between 0 and 1
    return -torch.log(-torch.log(quantiles))
