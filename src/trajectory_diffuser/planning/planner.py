"""A planner in control of environments; programs import it with what `sharing.planner` adds."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trajectory_diffuser.planning.agent import Agent, find_row, unbatched
from trajectory_diffuser.planning.choice import asked_return
from trajectory_diffuser.planning.export import export
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import Plan, TrajectoryPlanner


class Planner(Agent):
    """Receding-horizon control of one environment, or of N environments whose episodes began together.

    Args:
        trajectory_planner: makes the plans.
        target_return: return asked for at the start of an episode, one for all or [N].
        seed: of the noise.
        temperature: instead of the settings', one for all or [N].
    """

    def __init__(
        self,
        trajectory_planner: TrajectoryPlanner,
        target_return: float | np.ndarray,
        seed: int,
        temperature: float | np.ndarray | None = None,
    ) -> None:
        super().__init__(trajectory_planner.models, trajectory_planner.runtime, target_return)
        self.trajectory_planner = trajectory_planner
        settings = trajectory_planner.settings
        self.temperature = settings.temperature if temperature is None else temperature
        self.cycle = settings.actions_per_plan * settings.redraft_every, settings.redraft_every
        self.generator = torch.Generator(self.device)
        self.reset(seed)

    @classmethod
    def load(
        cls,
        run_directory: Path | str,
        planner: str = "trajectory_diffuser",
        *,
        target_return: float | None = None,
        guidance: float | None = None,
        device: torch.device | str = "cpu",
        runtime: str = "auto",
        seed: int = 0,
    ) -> "Planner":
        """A planner with the models of a run.

        Args:
            run_directory: `results/runs/{task}/seed{seed}`, or a folder like it, as `models/maze-medium`.
            planner: name of a row of the parameters; as it was evaluated, or else as ./params.yaml has it,
                with the values that were chosen in tuning or, before that, the middle of their grid.
            target_return: return to ask for, in the environment's units; by default the row's multiple of
                the best return in the data.
            guidance: classifier-free guidance weight; by default the row's.
            device: to plan on.
            runtime: `auto`, `torch` or `openvino`, see `Runtime`.
            seed: of the planner's noise.

        Raises:
            UserError: a model is missing or does not fit the others, or there is no such planner.
        """
        run_directory, device = Path(run_directory), torch.device(device)
        models = PlanningModels.load(run_directory, device)
        row, precision = find_row(run_directory, models.task, "planner", planner)
        if guidance is not None:
            row["guidance"] = guidance
        settings = PlannerSettings.from_row(row, models.diffusion.diffusion_steps)
        made = TrajectoryPlanner(models, settings, Runtime(runtime, precision, device))
        if target_return is None:
            target_return = asked_return(row["target_return"], models.best_return)
        return cls(made, target_return, seed)

    def export(self, folder: Path | str) -> None:
        """Write all that it takes to plan without torch, see `planning.export`."""
        export(self, Path(folder))

    def reset(self, seed: int | None = None) -> None:
        """Begin new episodes with the next observation; `seed` restarts the planner's noise."""
        super().reset()
        if seed is not None:
            self.generator.manual_seed(seed)

    def _decide(self, deterministic: bool) -> Tensor:
        """A new plan's first action, or a later one of a plan of several actions."""
        memory, plan = self.memory, self.memory.last_plan
        if plan is None or memory.plan_age >= self.trajectory_planner.settings.actions_per_plan:
            return self._plan(0.0 if deterministic else self.temperature).action
        # What leads from where the environments are now to the plan's next state.
        state = memory.history(self.device)[0][:, -1, :-1]  # [N, state]
        return self.trajectory_planner.inverse_dynamics(state, plan.states[:, memory.plan_age + 1])

    def plan(self, observation: np.ndarray, reward: np.ndarray | float | None = None) -> np.ndarray:
        """Plan anew and return the whole plan: states [H, obs] or [N, H, obs], the present first."""
        self.observe(observation, reward)
        states = self._plan(self.temperature).states.cpu().numpy()
        return unbatched(self.units.normaliser.unnormalise(states), observation)

    def _plan(self, temperature: float | np.ndarray) -> Plan:
        """Plan from all that is remembered, at one temperature for all or [N] of all that began."""
        memory, planner = self.memory, self.trajectory_planner
        previous = memory.last_plan if memory.plan_age < planner.models.horizon else None
        history, padding = memory.history(self.device)
        shape = planner.noise_shape(len(history), previous)
        noise = torch.randn(shape, generator=self.generator, device=self.device)
        noise[:, :, 1:] *= self._per_plan(temperature)
        plan = planner.plan(history, padding, noise, previous, memory.plan_age)
        memory.remember(plan)
        return plan

    def _per_plan(self, temperature: float | np.ndarray) -> float | Tensor:
        """The temperature of each plan's noise [B C, 1, 1, 1] where the environments differ in it."""
        if np.ndim(temperature) == 0:
            return temperature
        going_on = np.repeat(
            temperature[self.memory.environments], self.trajectory_planner.settings.candidates
        )
        return torch.tensor(going_on, dtype=torch.float32, device=self.device).view(-1, 1, 1, 1)
