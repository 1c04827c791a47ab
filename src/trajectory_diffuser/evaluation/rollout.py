"""Closed-loop evaluation: the planner acts in real environments, many episodes at once."""

import sys
import time
from collections import deque
from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from tqdm import tqdm

from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.recorder import Recorder
from trajectory_diffuser.evaluation.stepping import Group, Pending, Step, environment_groups
from trajectory_diffuser.planning.planner import Planner


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
    agents: list[Planner],
    environment: dict[str, Any],
    seeds: list[int],
    workers: int,
    maze: Maze | None,
    title: str,
) -> Rollout:
    """Run one episode per seed, each until it ends, in as many groups as there are agents.

    The agents plan in turn; in the meantime the other groups' environments step, if workers step them. What
    happens in an episode does not depend on the number of workers.

    Args:
        agents: fresh agents, at most one per seed; each has an equal share of the episodes, side by side.
        environment: the task's `environment` entry.
        seeds: reset seed of each episode.
        workers: processes that step the environments; 0: this one does.
        maze: walls, to count plan segments that cross them; None for tasks without.
        title: what the progress bar calls it.
    """
    with closing(make_environment(environment)) as one:
        bounds = one.action_space
    episodes = np.array_split(np.arange(len(seeds)), len(agents))
    tally, recorder = _Tally(len(seeds)), Recorder(agents[0])
    interval = 0.5 if sys.stderr.isatty() else 15
    with (
        environment_groups(environment, np.array_split(seeds, len(agents)), workers) as groups,
        tqdm(
            total=environment["max_episode_steps"], desc=title, unit="step", mininterval=interval
        ) as progress,
    ):
        runs = [
            _run_group(agent, group, bounds, tally, indices, maze, None if number else recorder)
            for number, (agent, group, indices) in enumerate(zip(agents, groups, episodes, strict=True))
        ]
        waiting = deque((run, next(run)) for run in runs)
        while waiting:
            run, answer = waiting.popleft()
            with suppress(StopIteration):
                waiting.append((run, run.send(answer.result())))
            progress.update(tally.lengths.max() - progress.n)
            postfix = {"running": tally.running.sum(), "mean_return": f"{tally.returns.mean():.1f}"}
            progress.set_postfix(postfix, refresh=False)
    return Rollout(
        tally.returns,
        tally.lengths,
        None if np.isnan(tally.successes).all() else tally.successes > 0,  # NaN is not
        None if maze is None else tally.crossed / tally.segments,
        recorder.plans(),
        tally.planning_seconds,
    )


class _Tally:
    """What has happened so far in each of N episodes."""

    def __init__(self, count: int) -> None:
        self.running = np.ones(count, bool)
        self.returns, self.lengths = np.zeros(count), np.zeros(count, int)
        self.successes = np.full(count, np.nan)  # NaN: not reported
        self.crossed, self.segments = np.zeros(count), np.zeros(count)
        self.planning_seconds = 0.0


def _run_group(
    agent: Planner,
    group: Group,
    bounds: Box,
    tally: _Tally,
    episodes: np.ndarray,
    maze: Maze | None,
    recorder: Recorder | None,
) -> Generator[Pending, Any, None]:
    """Run a group of episodes; yields what it has to wait for and is sent the answer.

    Args:
        agent: the group's.
        group: its environments.
        bounds: of an action.
        tally: of all episodes.
        episodes: which of them are the group's [n].
        maze: see `run_episodes`.
        recorder: of the group's first episode.
    """
    observations = yield group.reset()
    rewards: np.ndarray | None = None
    running = np.arange(len(episodes))  # of the group's episodes those that go on
    while len(running):
        now = episodes[running]
        started = time.perf_counter()
        actions = agent.act(observations[running], rewards)
        tally.planning_seconds += time.perf_counter() - started
        # Episodes that are over stand in the group until the others end; nothing is read from them.
        everyone = np.zeros((len(episodes), *bounds.shape), np.float32)
        everyone[running] = np.clip(actions, bounds.low, bounds.high)
        answer = group.step(everyone)
        if recorder is not None and 0 in running:
            recorder.record(observations[0])
        if maze is not None and agent.plan_age == 0:
            crossings = _wall_crossings(agent, maze)  # [running, H - 1]
            tally.crossed[now] += crossings.sum(axis=1)
            tally.segments[now] += crossings.shape[1]
        step: Step = yield answer
        observations, over = step.observations, step.terminated | step.truncated
        tally.returns[now] += step.rewards[running]
        tally.successes[now] = np.fmax(tally.successes[now], step.successes[running])
        tally.lengths[now] += 1
        if recorder is not None and 0 in running and over[0]:
            recorder.finish(observations[0])
        going_on = ~over[running]
        agent.keep(going_on)
        tally.running[now] = going_on
        running = running[going_on]
        rewards = step.rewards[running]


def _wall_crossings(agent: Planner, maze: Maze) -> np.ndarray:
    assert agent.last_plan is not None
    states = agent.planner.models.normaliser.unnormalise(agent.last_plan.states.cpu().numpy())
    positions = states[..., :2]  # [N, H, 2]
    return maze.crosses_wall(positions[:, :-1], positions[:, 1:])
