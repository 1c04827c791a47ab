"""What a planner remembers of an episode, or of N episodes that began together."""

import numpy as np
import torch
from torch import Tensor

from trajectory_diffuser.planning.models import Units
from trajectory_diffuser.planning.trajectory_planner import Plan


class EpisodeMemory:
    """The last `history` states and returns-to-go, and the last plan.

    Args:
        units: of the networks.
        target_return: return asked for at the start of an episode, one for all or [N]; it falls by each
            reward.

    Attributes:
        tokens: normalised state and scaled return-to-go of each step, side by side [N, steps, state + 1], of
            as many steps as the history reaches back; None before the first step.
        padding: how many of them stand for steps that have not been.
        environments: which of the first step's are left [N], the others' episodes being over.
        last_plan: None before the first.
        plan_age: steps taken since it was made.
    """

    def __init__(self, units: Units, target_return: float | np.ndarray) -> None:
        self.units = units
        self.target_return = target_return
        self.tokens: np.ndarray | None = None
        self.environments = np.arange(0)
        self.padding = units.steps_read
        self.last_plan: Plan | None = None
        self.plan_age = 0

    def observe(self, observation: np.ndarray, reward: np.ndarray | float | None) -> None:
        """Add a step: observations [N, obs] and rewards [N], one for all, or None where none is known.

        Raises `ValueError` for observations of another size or number than before.
        """
        units = self.units
        if observation.shape[1:] != units.normaliser.mean.shape:
            raise ValueError(
                f"observation: {observation.shape[-1]} numbers each, shape {observation.shape}; "
                f"the models were trained on {len(units.normaliser.mean)}"
            )
        if self.tokens is None:
            shape = (len(observation), units.steps_read, observation.shape[1] + 1)
            self.tokens = np.zeros(shape, np.float32)
            self.environments = np.arange(len(observation))
            return_to_go = np.full(len(observation), self.target_return / units.return_scale, np.float32)
        else:
            received = np.asarray(0.0 if reward is None else reward, np.float32)
            return_to_go = self.tokens[:, -1, -1] - received / units.return_scale  # [N]
        state = units.normaliser.normalise(observation)  # [N, state]
        token = np.concatenate([state, return_to_go[:, None]], axis=1)[:, None]  # [N, 1, state + 1]
        self.tokens = np.concatenate([self.tokens[:, 1:], token], axis=1)
        self.padding = max(self.padding - 1, 0)
        self.plan_age += self.last_plan is not None

    @property
    def new_plan(self) -> Plan | None:
        """The plan that was made for the present step; None where an older one holds, or there is none."""
        return self.last_plan if self.plan_age == 0 else None

    def remember(self, plan: Plan) -> None:
        """Keep a plan that was made just now."""
        self.last_plan, self.plan_age = plan, 0

    def keep(self, running: np.ndarray) -> None:
        """Forget the environments for which `running` [N] is False: their episodes are over."""
        if self.tokens is None or running.all():
            return
        rows = np.flatnonzero(running)
        self.tokens, self.environments = self.tokens[rows], self.environments[rows]
        if self.last_plan is not None:
            self.last_plan = self.last_plan.keep(torch.from_numpy(rows).to(self.last_plan.states.device))

    def history(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Tokens, `stride` steps apart, [N, history, state + 1] and padding of these [], on the device."""
        assert self.tokens is not None
        tokens = torch.from_numpy(self.tokens[:, :: self.units.stride])
        padding = np.asarray(-(-self.padding // self.units.stride))  # rounded up
        return tokens.to(device), torch.from_numpy(padding).to(device)
