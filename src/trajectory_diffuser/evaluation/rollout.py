"""Closed-loop evaluation: the planner acts in real environments, all episodes of a cell at once."""

import sys
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from trajectory_diffuser.datasets.environments import make_vector_environment
from trajectory_diffuser.datasets.maze import Maze
from trajectory_diffuser.planning.planner import Planner

PLAN_SNAPSHOTS = 24


@dataclass
class Rollout:
    """What happened, per episode (all lists have one entry per episode).

    Attributes:
        returns: undiscounted returns.
        lengths: steps until termination or truncation.
        successes: whether the environment ever reported `success`; None where it has no such notion.
        wall_crossing_fractions: share of the plans' segments that go through a wall; None outside mazes.
        plans: of the first episode, raw units: `steps` [n], `draft` and `plan` [n, H, obs],
            `executed` [L + 1, obs].
        planning_seconds: time spent in planning, of all episodes together.
    """

    returns: np.ndarray
    lengths: np.ndarray
    successes: np.ndarray | None
    wall_crossing_fractions: np.ndarray | None
    plans: dict[str, np.ndarray]
    planning_seconds: float


def run_episodes(
    agent: Planner, environment: dict[str, Any], seeds: list[int], maze: Maze | None, title: str
) -> Rollout:
    """Run one episode per seed, side by side, each until it ends.

    Args:
        agent: fresh agent.
        environment: the task's `environment` entry.
        seeds: reset seed of each episode.
        maze: walls, to count plan segments that cross them; None for tasks without.
        title: what the progress bar calls it.
    """
    environments = make_vector_environment(environment, len(seeds))
    low, high = environments.single_action_space.low, environments.single_action_space.high
    observations, _ = environments.reset(seed=seeds)
    running = np.arange(len(seeds))  # indices of the episodes that go on
    returns, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), int)
    crossed, segments = np.zeros(len(seeds)), np.zeros(len(seeds))
    successes: np.ndarray | None = None
    recorder = _Recorder(agent)
    rewards: np.ndarray | None = None
    planning_seconds = 0.0
    interval = 0.5 if sys.stderr.isatty() else 15
    with tqdm(
        total=environment["max_episode_steps"], desc=title, unit="step", mininterval=interval
    ) as progress:
        while len(running):
            started = time.perf_counter()
            actions = agent.act(observations[running], rewards)
            planning_seconds += time.perf_counter() - started
            if 0 in running:
                recorder.record(observations[0])
            if maze is not None:
                crossings = _wall_crossings(agent, maze)  # [running, H - 1]
                crossed[running] += crossings.sum(axis=1)
                segments[running] += crossings.shape[1]
            # Episodes that are over stand in the vector until the others end; nothing is read from them.
            everyone = np.zeros((len(seeds), *environments.single_action_space.shape), np.float32)
            everyone[running] = np.clip(actions, low, high)
            observations, reward, terminated, truncated, info = environments.step(everyone)
            returns[running] += reward[running]
            if "success" in info:
                successes = np.zeros(len(seeds), bool) if successes is None else successes
                successes[running] |= info["success"][running].astype(bool)
            lengths[running] += 1
            if 0 in running and (terminated[0] or truncated[0]):
                recorder.finish(observations[0])
            going_on = ~(terminated | truncated)[running]
            agent.keep(going_on)
            running = running[going_on]
            rewards = reward[running]
            progress.update()
            progress.set_postfix(running=len(running), mean_return=f"{returns.mean():.1f}", refresh=False)
    environments.close()
    fractions = None if maze is None else crossed / segments
    return Rollout(returns, lengths, successes, fractions, recorder.plans(), planning_seconds)


def _wall_crossings(agent: Planner, maze: Maze) -> np.ndarray:
    assert agent.last_plan is not None
    states = agent.planner.models.normaliser.unnormalise(agent.last_plan.states).cpu().numpy()
    positions = states[..., :2]  # [N, H, 2]
    return maze.crosses_wall(positions[:, :-1], positions[:, 1:])


@dataclass
class _Recorder:
    """Keeps the plans and the path of the first episode for the report's pictures."""

    agent: Planner
    drafts: list[torch.Tensor] = field(default_factory=list)
    refined: list[torch.Tensor] = field(default_factory=list)
    executed: list[np.ndarray] = field(default_factory=list)

    def record(self, observation: np.ndarray) -> None:
        plan = self.agent.last_plan
        assert plan is not None
        missing = torch.full_like(plan.states[0], torch.nan)
        self.drafts.append(missing if plan.draft is None else plan.draft[0])
        self.refined.append(plan.states[0])
        self.executed.append(observation.copy())

    def finish(self, observation: np.ndarray) -> None:
        self.executed.append(observation.copy())

    def plans(self) -> dict[str, np.ndarray]:
        steps = np.unique(np.linspace(0, len(self.refined) - 1, PLAN_SNAPSHOTS).round().astype(int))
        normaliser = self.agent.planner.models.normaliser
        chosen = {"draft": self.drafts, "plan": self.refined}
        raw = {
            name: normaliser.unnormalise(torch.stack([plans[step] for step in steps])).cpu().numpy()
            for name, plans in chosen.items()
        }
        return {"steps": steps, **raw, "executed": np.stack(self.executed).astype(np.float32)}
