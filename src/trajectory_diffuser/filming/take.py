"""What a film shows of one planner: an episode in which the environment waits for slow decisions."""

import time
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import numpy as np
import pandas as pd

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.filming.poses import Poses
from trajectory_diffuser.planning.planner import Planner

GHOSTS = 3  # of each plan, evenly spaced up to its end
WARMUP, MEASURED = 2, 20  # decisions


@dataclass(frozen=True)
class Take:
    """The beginning of an episode of T steps.

    Attributes:
        planner: its name.
        decision_seconds: that a decision takes.
        step_seconds: that a step takes in the environment.
        poses: joint positions [T + 1, nq].
        plans: planned joint positions at each step [T, GHOSTS, nq], the nearest first.
        places: how many joint positions, of the first, say where the body is.
    """

    planner: str
    decision_seconds: float
    step_seconds: float
    poses: np.ndarray
    plans: np.ndarray
    places: int

    def step_at(self, seconds: float) -> int:
        """How many steps have been after so long; one lasts as long as its decision where that is longer."""
        return min(int(seconds / max(self.decision_seconds, self.step_seconds)), len(self.poses) - 1)

    def reached_at(self, seconds: float) -> str:
        """The environment's time after so long and, of a body that travels, how far from its start it is."""
        step = self.step_at(seconds)
        time = f"{step * self.step_seconds:.1f} s"
        travelled = self.poses[step, : self.places] - self.poses[0, : self.places]  # [places]
        return f"{time}, {np.linalg.norm(travelled):.1f} m" if self.places else time

    @property
    def pace(self) -> str:
        """How fast it decides."""
        return f"{1000 * self.decision_seconds:.1f} ms per decision"


def make_take(
    name: str,
    planner: Planner,
    environment: gymnasium.Env,
    seed: int,
    seconds: float,
    decision_seconds: float | None = None,
) -> Take:
    """Let a planner act for so many `seconds` of the film, or until the episode is over.

    Args:
        name: of the planner.
        planner: for this environment.
        environment: of `Poses`.
        seed: of the environment and of the planner's noise.
        seconds: the film's.
        decision_seconds: measured elsewhere; None to measure it here.

    Raises:
        UserError: observations hold no pose, or the environment breaks down.
    """
    poses, inner = Poses(environment), environment.unwrapped
    observation, _ = environment.reset(seed=seed)
    if decision_seconds is None:
        decision_seconds = measured(planner, observation)
    planner.reset(seed)
    reward, done, plans = None, [inner.data.qpos.copy()], []
    for _ in range(int(np.ceil(seconds / max(decision_seconds, inner.dt)))):
        action = planner.act(observation, reward)
        place = done[-1][: poses.hidden]
        plan = poses.of(_planned(planner), place, inner.dt * planner.units.stride)  # [H, nq]
        plans.append(plan[np.linspace(0, len(plan) - 1, GHOSTS + 1).round().astype(int)[1:]])
        observation, reward, terminated, truncated, _ = environment.step(action)
        done.append(inner.data.qpos.copy())
        if terminated or truncated:
            break
    return Take(name, decision_seconds, inner.dt, np.array(done), np.array(plans), poses.hidden)


def measured(planner: Planner, observation: np.ndarray) -> float:
    """The median time of a decision: the processor's, so that a busy machine does not slow a film down."""
    seconds = []
    for _ in range(WARMUP + MEASURED):
        began = time.process_time()
        planner.act(observation)
        seconds.append(time.process_time() - began)
    return float(np.median(seconds[WARMUP:]))


def recorded(file: Path, task: str, planner: str) -> float:
    """The time of a planner's decision in a `latency.csv`: at its smallest batch, the mean over its seeds.

    Raises `UserError` if there is none.
    """
    try:
        times = pd.read_csv(file)
        rows = times[(times["task"] == task) & (times["planner"] == planner)]
        seconds = (1 / rows["decisions_per_second"]).groupby(rows["batch"]).mean()
        return float(seconds.iloc[0])
    except (OSError, ValueError, KeyError, IndexError):
        raise UserError(f"{file}: no times of {planner} on {task}; a report's latency.csv has them") from None


def _planned(planner: Planner) -> np.ndarray:
    """States of the plan in force, the present one first [H, obs], in the environment's units."""
    memory = planner.memory
    states = memory.last_plan.states[0, memory.plan_age :].cpu().numpy()
    return planner.units.normaliser.unnormalise(states)
