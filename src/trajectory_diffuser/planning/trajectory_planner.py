"""The algorithm: draft a plan, refine it, act (Trajectory Diffuser, arXiv 2407.16142).

1. Draft: a causal transformer continues the history of states and returns-to-go, state by state.
2. Refine: the draft enters the reverse diffusion near its end and takes the last few of its steps, guided.
3. Act: an inverse dynamics model says which action leads from the plan's first state to its second.

A row of the parameters, a planner, varies this: no refinement is the draft alone, a start from noise and all
steps are Decision Diffuser. Everything here is in normalised units; `planner.py` has the environment's.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Function, Runtime
from trajectory_diffuser.planning.settings import PlannerSettings

# Tokens and denoising steps in one call: what is to be compiled must not grow with the horizon or the chain.
LONGEST_ROLL_OUT = 16
LONGEST_CHAIN = 5


@dataclass(frozen=True)
class Plan:
    """Plans for B environments in normalised units.

    Attributes:
        states: refined states [B, H, state], the present one first.
        action: action that leads to each plan's second state [B, action].
        draft: what refinement started from [B, H, state], or None where it started from noise.
        draft_returns: scaled returns-to-go that were drafted beside the states [B, H], or None.
        age: plans made since the draft was made from scratch.
    """

    states: Tensor
    action: Tensor
    draft: Tensor | None
    draft_returns: Tensor | None = None
    age: int = 0

    def keep(self, rows: Tensor) -> "Plan":
        """The plans of some of the environments, the indices `rows`."""
        draft = None if self.draft is None else self.draft[rows]
        returns = None if self.draft_returns is None else self.draft_returns[rows]
        return Plan(self.states[rows], self.action[rows], draft, returns, self.age)


class TrajectoryPlanner:
    """Plans from histories; keeps nothing between calls and draws no noise of its own.

    Args:
        models: the trained networks.
        settings: how to plan.
        runtime: what the networks run on.
    """

    def __init__(self, models: PlanningModels, settings: PlannerSettings, runtime: Runtime) -> None:
        self.models, self.settings, self.runtime = models, settings, runtime
        self.denoise = runtime.compile(
            models.diffusion, "denoise", guidance=settings.guidance, eta=settings.eta
        )
        self.inverse_dynamics = runtime.compile(models.inverse_dynamics)
        self.value = runtime.compile(models.value)

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
            noise: scaled by the temperature, of `noise_shape`.
            previous: the plan made `moved` steps ago, if the settings start from it or carry its draft over.
            moved: steps taken since `previous`, less than the horizon.
        """
        # 1 draft
        draft, draft_returns, age = self._draft(history, padding, previous, moved)
        # 2 refine
        plans = self._refine(draft, history, noise, self.timesteps(previous))  # [B C, H, state]
        # 3 act
        states, action = self._act(plans)
        return Plan(states, action, draft, draft_returns, age)

    def _draft(
        self, history: Tensor, padding: Tensor, previous: Plan | None, moved: int
    ) -> tuple[Tensor | None, Tensor | None, int]:
        """Where refinement starts, the present in front, None for noise; see the last fields of `Plan`."""
        present, carried, age = history[:, -1:], history[:, :0], 0
        if self.settings.start == "previous_plan" and previous is not None:
            # The plan's later states have become the nearer ones; its last state is held.
            held = previous.states[:, -1:].expand(-1, moved, -1)
            return torch.cat([present[..., :-1], previous.states[:, moved + 1 :], held], dim=1), None, 0
        if self.settings.start != "draft":
            return None, None, 0
        if previous is not None and previous.age + 1 < self.settings.redraft_every:
            # The draft is carried over: its later states are read as if they had happened already.
            carried = torch.cat([previous.draft, previous.draft_returns[..., None]], dim=-1)[:, moved + 1 :]
            age = previous.age + 1
        missing = self.models.horizon - 1 - carried.shape[1]
        drafted = self._continue(torch.cat([history, carried], dim=1), padding, missing)
        draft = torch.cat([present, carried, drafted], dim=1)  # [B, H, state + 1]
        return draft[..., :-1], draft[..., -1], age

    def _continue(self, tokens: Tensor, padding: Tensor, length: int) -> Tensor:
        """The `length` tokens after these [B, T, state + 1]; read once, each drafted one costs one token."""

        def compiled(method: str, length: int) -> Function:
            return self.runtime.compile(self.models.transformer, method, length=length)

        following, keys_values = compiled("draft", min(length, LONGEST_ROLL_OUT))(tokens, padding)
        drafted, missing, known = [following], length - following.shape[1], keys_values.shape[4]
        calls = math.ceil(missing / LONGEST_ROLL_OUT)
        each = math.ceil(missing / max(calls, 1))  # tokens per call; the last may draft a few too many
        for _ in range(calls):
            past = torch.tensor(known, device=tokens.device)
            room = tokens.shape[1] + length - known  # the same shape in every call
            with_room = functional.pad(keys_values, (0, 0, 0, room))
            following, new = compiled("roll_out", each)(following[:, -1:], with_room, past, padding)
            drafted.append(following)  # [B, each, state + 1]
            keys_values, known = torch.cat([keys_values, new], dim=4), known + each
        return torch.cat(drafted, dim=1)[:, :length]

    def _refine(self, start: Tensor | None, history: Tensor, noise: Tensor, timesteps: list[int]) -> Tensor:
        """Denoise from where the chain is entered to clean plans [B C, H, state], candidates side by side."""
        if not timesteps:
            return start
        present, return_to_go = history[:, -1:, :-1], history[:, -1, -1]  # [B, 1, state], [B]
        if (candidates := self.settings.candidates) > 1:
            present = present.repeat_interleave(candidates, 0)  # [B C, 1, state]
            return_to_go = return_to_go.repeat_interleave(candidates, 0)  # [B C]
            start = None if start is None else start.repeat_interleave(candidates, 0)  # [B C, H, state]
        t = torch.tensor([*timesteps, 0], device=history.device)
        if start is None:
            x_t = torch.cat([present, noise[:, 0, 1:]], dim=1)
        else:
            epsilon = noise[:, 0] if self.settings.forward_noise else torch.zeros_like(start)
            x_t = self.models.diffusion.add_noise(start, t[0], epsilon)
        for first in range(0, len(timesteps), LONGEST_CHAIN):
            last = min(first + LONGEST_CHAIN, len(timesteps))
            x_t = self.denoise(x_t, t[first : last + 1], return_to_go, noise[:, first + 1 : last + 1])
        return x_t

    def _act(self, plans: Tensor) -> tuple[Tensor, Tensor]:
        """The best plans [B, H, state] and first actions [B, action] of all candidates' [B C, H, state]."""
        actions = self.inverse_dynamics(plans[:, 0], plans[:, 1])  # [B C, action]
        if (candidates := self.settings.candidates) == 1:
            return plans, actions
        values = self.value(plans[:, 0], actions).view(-1, candidates)  # [B, C]
        first = candidates * torch.arange(values.shape[0], device=plans.device)  # [B]
        best = first + values.argmax(dim=1)
        return plans[best], actions[best]

    def timesteps(self, previous: Plan | None) -> list[int]:
        """The values of t at which the next plan is denoised."""
        return self.settings.first_timesteps if previous is None else self.settings.timesteps

    def noise_shape(self, batch: int, previous: Plan | None) -> tuple[int, int, int, int]:
        """Of a plan's noise: to enter the chain with, and for each of its steps [B C, S + 1, H, state]."""
        models, steps = self.models, len(self.timesteps(previous))
        return batch * self.settings.candidates, steps + 1, models.horizon, len(models.normaliser.mean)
