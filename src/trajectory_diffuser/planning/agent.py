"""What planners and policies share: the environment's own units, and a memory of the episode."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE, load_params
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.planning.choice import SECTIONS, TUNINGS, middle, settled
from trajectory_diffuser.planning.memory import EpisodeMemory
from trajectory_diffuser.planning.models import Units
from trajectory_diffuser.planning.runtime import Runtime

AGAIN = "snakemake --cores 8, once that folder is deleted"
SAVED = "config.json"  # of a run that was saved for one of its planners, see `sharing.planner`


class Agent(ABC):
    """Controls one environment, or N environments whose episodes began together.

    Args:
        units: of the networks.
        runtime: what they run on.
        target_return: return asked for at the start of an episode, one for all or [N].

    Attributes:
        memory: of the episode.
        cycle: decisions after which everything comes again, and new plans among them (1 and 1 where a
            decision takes no plan).
    """

    def __init__(self, units: Units, runtime: Runtime, target_return: float | np.ndarray) -> None:
        self.units, self.runtime, self.target_return = units, runtime, target_return
        self.device = runtime.device
        self.cycle = (1, 1)
        self.reset()

    @property
    def environment(self) -> dict[str, Any]:
        """What it was trained for, see `environments.environment.make_environment`."""
        return self.units.environment

    def reset(self) -> None:
        """Begin new episodes with the next observation."""
        self.memory = EpisodeMemory(self.units, self.target_return)

    def act(
        self,
        observation: np.ndarray,
        reward: np.ndarray | float | None = None,
        deterministic: bool = False,
    ) -> np.ndarray:
        """The next action.

        Args:
            observation: what one environment returned [obs], or N of them [N, obs].
            reward: reward of the previous action, one number or [N]; None where there is none yet (or none is
                known: then the return-to-go stays as it is).
            deterministic: without noise, at temperature 0.

        Returns:
            The action [act], or N actions [N, act], within the environment's bounds.
        """
        self.observe(observation, reward)
        lowest, highest = self.units.action_bounds
        return unbatched(np.clip(self._decide(deterministic).cpu().numpy(), lowest, highest), observation)

    @abstractmethod
    def _decide(self, deterministic: bool) -> Tensor:
        """Actions [N, act] after all that is remembered."""

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
            state: not used, the episode is remembered here.
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

    def observe(self, observation: np.ndarray, reward: np.ndarray | float | None = None) -> None:
        """Remember a step for which somebody else decides; arguments and errors as in `act`."""
        self.memory.observe(np.atleast_2d(np.asarray(observation, np.float32)), reward)


def find_row(run_directory: Path, task: str, kind: str, name: str) -> tuple[dict[str, Any], str]:
    """A settled row of a planner or policy, and its precision: as evaluated or saved, or as in ./params.yaml.

    What these leave to tuning is then what was chosen, or else the middle of the grid, see `planning.choice`.

    Args:
        run_directory: `results/runs/{task}/seed{seed}`.
        task: name of the task.
        kind: `planner` or `policy`.
        name: of the row.

    Raises:
        UserError: there is none of that name, or its record is damaged.
    """
    evaluation, key = run_directory / "evaluation", f"{kind}_row"
    records = {}
    for path in evaluation.glob("*/evaluation.json"):
        require_intact(path.parent, AGAIN)
        records[path.parent.name] = read_json(path)
    if (run_directory / SAVED).exists():
        require_intact(run_directory, "save_pretrained again, or copy the folder again")
        saved = read_json(run_directory / SAVED)
        records.setdefault(saved["planner"], saved)
    known = {each for each, record in records.items() if key in record}
    if name in known:
        return settled(records[name][key], records[name]["values"]), records[name]["precision"]
    if Path(PARAMS_FILE).exists():
        params = load_params()
        rows = params[SECTIONS[kind]] if task in params["tasks"] else {}
        known |= set(rows)
        if name in rows:
            choice = run_directory / TUNINGS[kind] / name / "choice.json"
            require_intact(choice.parent, AGAIN)
            values = read_json(choice)["values"] if choice.exists() else middle(params["tune"]["grid"])
            return settled(rows[name], values), params["planning"]["precision"]
    raise UserError(
        f"{kind} {name!r} of {task}: neither evaluated in {evaluation} nor in ./{PARAMS_FILE}; "
        f"there are: {', '.join(sorted(known)) or 'none'}"
    )


def unbatched(values: np.ndarray, observation: np.ndarray) -> np.ndarray:
    """The only one of the values where one environment was observed."""
    return values[0] if np.ndim(observation) == 1 else values
