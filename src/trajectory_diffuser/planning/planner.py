"""The planner that programs use: in the environment's own units, with a memory of the episode."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE, load_params
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.planning.export import export
from trajectory_diffuser.planning.memory import EpisodeMemory
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime
from trajectory_diffuser.planning.settings import PlannerSettings
from trajectory_diffuser.planning.trajectory_planner import Plan, TrajectoryPlanner


class Planner:
    """Receding-horizon control of one environment, or of N environments whose episodes began together.

    Args:
        trajectory_planner: makes the plans.
        target_return: return asked for at the start of an episode.
        seed: of the noise.

    Attributes:
        memory: of the episode.
    """

    def __init__(self, trajectory_planner: TrajectoryPlanner, target_return: float, seed: int) -> None:
        self.trajectory_planner = trajectory_planner
        self.target_return = target_return
        self.device = trajectory_planner.runtime.device
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
            run_directory: `results/runs/{task}/seed{seed}`.
            planner: name of a row of the parameters; as it was evaluated, or else as ./params.yaml has it.
            target_return: return to ask for; by default the task's.
            guidance: classifier-free guidance weight; by default the row's.
            device: to plan on.
            runtime: `auto`, `torch` or `openvino`, see `Runtime`.
            seed: of the planner's noise.

        Raises:
            UserError: a model is missing or does not fit the others, or there is no such planner.
        """
        run_directory, device = Path(run_directory), torch.device(device)
        models = PlanningModels.load(run_directory, device)
        record = _find_row(run_directory, models.task, planner)
        if guidance is not None:
            record["planner_row"] = record["planner_row"] | {"guidance": guidance}
        settings = PlannerSettings.from_row(
            record["planner_row"], record["guidance"], models.diffusion.diffusion_steps
        )
        made = TrajectoryPlanner(models, settings, Runtime(runtime, record["precision"], device))
        return cls(made, record["target_return"] if target_return is None else target_return, seed)

    @property
    def environment(self) -> dict[str, Any]:
        """What it was trained for, see `environments.environment.make_environment`."""
        return self.trajectory_planner.models.environment

    def export(self, folder: Path | str) -> None:
        """Write all that it takes to plan without torch, see `planning.export`."""
        export(self, Path(folder))

    def reset(self, seed: int | None = None) -> None:
        """Begin new episodes with the next observation; `seed` restarts the planner's noise."""
        self.memory = EpisodeMemory(self.trajectory_planner.models, self.target_return)
        if seed is not None:
            self.generator.manual_seed(seed)

    def act(
        self,
        observation: np.ndarray,
        reward: np.ndarray | float | None = None,
        deterministic: bool = False,
    ) -> np.ndarray:
        """The next action: a new plan's first one, or a later one of a plan of several actions.

        Args:
            observation: what one environment returned [obs], or N of them [N, obs].
            reward: reward of the previous action, one number or [N]; None where there is none yet (or none is
                known: then the return-to-go stays as it is).
            deterministic: plan without noise, at temperature 0.

        Returns:
            The action [act], or N actions [N, act], within the environment's bounds.
        """
        self.observe(observation, reward)
        memory, plan = self.memory, self.memory.last_plan
        if plan is None or memory.plan_age >= self.trajectory_planner.settings.actions_per_plan:
            action = self._plan(0.0 if deterministic else None).action
        else:  # what leads from where the environments are now to the plan's next state
            state = memory.history(self.device)[0][:, -1, :-1]  # [N, state]
            action = self.trajectory_planner.inverse_dynamics(state, plan.states[:, memory.plan_age + 1])
        lowest, highest = self.trajectory_planner.models.action_bounds
        return _unbatched(np.clip(action.cpu().numpy(), lowest, highest), observation)

    def predict(
        self,
        observation: np.ndarray,
        state: None = None,
        episode_start: np.ndarray | bool | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, None]:
        """`act` with the signature of Stable-Baselines3's policies, which tells no rewards.

        Without rewards the return-to-go stays at the target; `act` is the better choice where they are known.

        Args:
            observation: see `act`.
            state: not used, the planner remembers the episode itself.
            episode_start: whether episodes begin with this observation, for all environments alike.
            deterministic: see `act`.

        Returns:
            The action, and None for the state.

        Raises:
            ValueError: episodes begin in some of the environments, but not in all.
        """
        begins = np.unique(np.asarray(False if episode_start is None else episode_start, bool))
        if len(begins) > 1:
            raise ValueError("episode_start: the episodes of all environments must begin together")
        if begins[0]:
            self.reset()
        return self.act(observation, deterministic=deterministic), None

    def plan(self, observation: np.ndarray, reward: np.ndarray | float | None = None) -> np.ndarray:
        """Plan anew and return the whole plan: states [H, obs] or [N, H, obs], the present first."""
        self.observe(observation, reward)
        states = self._plan().states.cpu().numpy()
        return _unbatched(self.trajectory_planner.models.normaliser.unnormalise(states), observation)

    def observe(self, observation: np.ndarray, reward: np.ndarray | float | None = None) -> None:
        """Remember a step for which somebody else decides; arguments and errors as in `act`."""
        self.memory.observe(np.atleast_2d(np.asarray(observation, np.float32)), reward)

    def _plan(self, temperature: float | None = None) -> Plan:
        """Plan from all that is remembered, by default at the row's temperature."""
        memory, planner = self.memory, self.trajectory_planner
        previous = memory.last_plan if memory.plan_age < planner.models.horizon else None
        history, padding = memory.history(self.device)
        shape = planner.noise_shape(len(history), previous)
        noise = torch.randn(shape, generator=self.generator, device=self.device)
        noise *= planner.settings.temperature if temperature is None else temperature
        plan = planner.plan(history, padding, noise, previous, memory.plan_age)
        memory.remember(plan)
        return plan


def _find_row(run_directory: Path, task: str, planner: str) -> dict[str, Any]:
    """A planner's row, target return, guidance and precision."""
    evaluation = run_directory / "evaluation"
    if (evaluation / planner / "evaluation.json").exists():
        return read_json(evaluation / planner / "evaluation.json")
    known = {path.parent.name for path in evaluation.glob("*/evaluation.json")}
    if Path(PARAMS_FILE).exists():
        params = load_params()
        known |= set(params["planners"]) if task in params["tasks"] else set()
        if planner in params["planners"] and task in params["tasks"]:
            entry, precision = params["tasks"][task], params["planning"]["precision"]
            settings = {key: entry[key] for key in ("target_return", "guidance")}
            return settings | {"planner_row": params["planners"][planner], "precision": precision}
    raise UserError(
        f"planner {planner!r} of {task}: neither evaluated in {evaluation} nor in ./{PARAMS_FILE}; "
        f"there are: {', '.join(sorted(known)) or 'none'}"
    )


def _unbatched(values: np.ndarray, observation: np.ndarray) -> np.ndarray:
    return values[0] if np.ndim(observation) == 1 else values
