"""The planner that other programs use: in the environment's own units, with its memory of each episode."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.device import check_compiler
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.planning.acceleration import accelerate
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.trajectory_planner import Plan, TrajectoryPlanner


class Planner:
    """Receding-horizon control of one environment, or of N environments whose episodes began together.

    It keeps the last `history` states and returns-to-go and the previous plan; the return-to-go starts at the
    target return and falls by each reward.

    Args:
        planner: makes the plans.
        target_return: return asked for at the start of an episode.
        device: of the planner's models.
    """

    def __init__(self, planner: TrajectoryPlanner, target_return: float, device: torch.device) -> None:
        self.planner = planner
        self.target_return = target_return
        self.device = device
        self.reset()

    @classmethod
    def load(
        cls,
        run_directory: Path | str,
        planner: str = "trajectory_diffuser",
        device: torch.device | str = "cpu",
        seed: int = 0,
        compile: bool = False,
    ) -> "Planner":
        """The planner as it was evaluated with the models of a run.

        Args:
            run_directory: `results/runs/{task}/seed{seed}`.
            planner: name of one of its evaluated planners (rows of params.yaml).
            device: to plan on.
            seed: of the planner's noise.
            compile: compile the networks, which takes a minute or two at the first plan and needs a C++
                compiler on a CPU; plans with many denoising steps then take less time, short drafts do not.

        Raises:
            UserError: a model is missing or does not fit the others, the planner was not evaluated, or there
                is no compiler.
        """
        run_directory, device = Path(run_directory), torch.device(device)
        check_compiler("compile", compile, device.type)
        models = PlanningModels.load(run_directory, device)
        evaluation = run_directory / "evaluation"
        known = sorted(path.parent.name for path in evaluation.glob("*/evaluation.json"))
        if planner not in known:
            raise UserError(
                f"{evaluation}: planner {planner!r} was not evaluated, so its settings are not known; "
                f"there are: {', '.join(known) or 'none'}"
            )
        record = read_json(evaluation / planner / "evaluation.json")
        accelerate(models, {"compile": compile, "precision": record["precision"]}, device)
        inner = TrajectoryPlanner.from_row(models, record["planner_row"], record["guidance"], device, seed)
        return cls(inner, record["target_return"], device)

    def reset(self, seed: int | None = None) -> None:
        """Begin new episodes with the next observation; `seed` restarts the planner's noise."""
        self.states: np.ndarray | None = None  # [N, T, state], normalised
        self.returns_to_go: np.ndarray | None = None  # [N, T], scaled
        self.last_plan: Plan | None = None  # normalised
        self.plan_age = 0  # steps taken since it was made
        if seed is not None:
            self.planner.generator.manual_seed(seed)

    def act(self, observation: np.ndarray, reward: np.ndarray | float | None = None) -> np.ndarray:
        """The next action: a new plan's first one, or a later one of a plan of several actions.

        Args:
            observation: what one environment returned [obs], or N of them [N, obs].
            reward: reward of the previous action, one number or [N]; None where there is none yet (or none is
                known: then the return-to-go stays as it is).

        Returns:
            The action [act], or N actions [N, act]; not clipped to the environment's bounds.
        """
        self.observe(observation, reward)
        if self.last_plan is None or self.plan_age >= self.planner.settings.actions_per_plan:
            action = self._plan().action
        else:
            action = self._later_action()
        return _unbatched(action.cpu().numpy(), observation)

    def plan(self, observation: np.ndarray, reward: np.ndarray | float | None = None) -> np.ndarray:
        """Plan anew and return the whole plan: states [H, obs] or [N, H, obs], the present first."""
        self.observe(observation, reward)
        states = self._plan().states.cpu().numpy()
        return _unbatched(self.planner.models.normaliser.unnormalise(states), observation)

    def observe(self, observation: np.ndarray, reward: np.ndarray | float | None = None) -> None:
        """Remember a step for which somebody else decides; arguments as in `act`.

        Raises `ValueError` for an observation of another size than the models'.
        """
        models = self.planner.models
        observed = np.atleast_2d(np.asarray(observation, np.float32))
        if observed.shape[1:] != models.normaliser.mean.shape:
            raise ValueError(
                f"observation: {observed.shape[-1]} numbers each, shape {np.shape(observation)}; "
                f"the models were trained on {len(models.normaliser.mean)}"
            )
        self.plan_age += self.last_plan is not None
        state = models.normaliser.normalise(observed)[:, None]  # [N, 1, state]
        if self.states is None or self.returns_to_go is None:
            target = self.target_return / models.return_scale
            self.states = state
            self.returns_to_go = np.full(state.shape[:2], target, np.float32)
        else:
            received = np.asarray(0.0 if reward is None else reward, np.float32).reshape(-1, 1)
            left = self.returns_to_go[:, -1:] - received / models.return_scale  # [N, 1]
            self.states = np.concatenate([self.states, state], axis=1)[:, -models.history :]
            self.returns_to_go = np.concatenate([self.returns_to_go, left], axis=1)[:, -models.history :]

    def keep(self, running: np.ndarray) -> None:
        """Forget the environments for which `running` [N] is False: their episodes are over."""
        if self.states is None or self.returns_to_go is None or running.all():
            return
        rows = np.flatnonzero(running)
        self.states, self.returns_to_go = self.states[rows], self.returns_to_go[rows]
        if self.last_plan is not None:
            self.last_plan = self.last_plan.keep(self._tensor(rows))

    def _plan(self) -> Plan:
        """Plan from all that is remembered."""
        assert self.states is not None and self.returns_to_go is not None
        useful = self.plan_age < self.planner.models.horizon
        previous = self.last_plan if useful else None
        states, returns_to_go = self._tensor(self.states), self._tensor(self.returns_to_go)
        self.last_plan = self.planner.plan(states, returns_to_go, previous, self.plan_age)
        self.plan_age = 0
        return self.last_plan

    @torch.inference_mode()
    def _later_action(self) -> Tensor:
        """What leads from where the environments are now to the plan's next state [N, action]."""
        assert self.states is not None and self.last_plan is not None
        following = self.last_plan.states[:, self.plan_age + 1]
        return self.planner.models.inverse_dynamics(self._tensor(self.states[:, -1]), following)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)


def _unbatched(values: np.ndarray, observation: np.ndarray) -> np.ndarray:
    return values[0] if np.ndim(observation) == 1 else values
