"""Closed-loop evaluation: an agent acts in real environments, many episodes at once."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from trajectory_diffuser.computing.progress import drawing_interval
from trajectory_diffuser.environments.environment import make_vector_environment
from trajectory_diffuser.environments.maze import Maze
from trajectory_diffuser.evaluation.recorder import Recorder
from trajectory_diffuser.planning.agent import Agent
from trajectory_diffuser.planning.trajectory_planner import Plan


@dataclass
class Rollout:
    """What happened in N episodes.

    Attributes:
        returns: undiscounted returns [N].
        lengths: steps until termination or truncation [N].
        successes: whether the environment ever reported `success`; NaN where it has no such notion [N].
        wall_crossing_fractions: share of the plans' segments that go through a wall; NaN outside mazes
            and where nothing is planned [N].
        shortest_ways: whether the middle of a shortest path from start to goal was ever reached; NaN outside
            mazes [N].
        plans: of the first episode, raw units: `steps` [n], `draft` and `plan` [n, H, obs],
            `executed` [L + 1, obs]; empty where nothing is planned.
    """

    returns: np.ndarray
    lengths: np.ndarray
    successes: np.ndarray
    wall_crossing_fractions: np.ndarray
    shortest_ways: np.ndarray
    plans: dict[str, np.ndarray]


def run_episodes(
    agent: Agent,
    environment: dict[str, Any],
    seeds: list[int],
    maze: Maze | None,
    title: str,
    record: Callable[..., None] | None = None,
) -> Rollout:
    """Run one episode per seed, side by side, each until it ends.

    Args:
        agent: a fresh one; decides for all of them at once.
        environment: the task's `environment` entry.
        seeds: reset seed of each episode.
        maze: walls, to count plan segments that cross them; None for tasks without.
        title: what the progress bar calls it.
        record: receives every step, of the n episodes that go on: their indices [n], observations [n, obs],
            actions [n, act], rewards [n], next observations [n, obs] and terminations [n].

    Raises:
        UserError: the environment cannot be made, or breaks down (see `Watched`).
    """
    count, steps = len(seeds), environment["max_episode_steps"]
    returns, lengths, successes = np.zeros(count), np.zeros(count, int), np.full(count, np.nan)
    crossed, segments, midway_reached = np.zeros(count), np.zeros(count), np.full(count, np.nan)
    recorder = Recorder(agent)
    with (
        closing(make_vector_environment(environment, count)) as environments,
        tqdm(total=steps, desc=title, unit="step", mininterval=drawing_interval()) as progress,
    ):
        observations, _ = environments.reset(seed=seeds)  # [N, obs]
        rewards = None
        running = np.arange(count)  # the episodes that go on
        if maze is not None:  # its observations begin with the position and end with the goal
            midway = maze.midway(observations[:, :2], observations[:, -2:])  # [N, 2]
            midway_reached[:] = 0
        while len(running):
            seen = observations[running]
            decided = agent.act(seen, rewards)  # [running, action]
            if 0 in running:
                recorder.record(observations[0])
            plan = agent.memory.new_plan
            if maze is not None and plan is not None:
                crossings = _wall_crossings(plan, agent, maze)  # [running, H - 1]
                crossed[running] += crossings.sum(axis=1)
                segments[running] += crossings.shape[1]

            # Where an episode is over the environment goes on with actions of 0; nothing is read from it.
            actions = np.zeros(environments.action_space.shape, np.float32)
            actions[running] = decided
            observations, received, terminated, truncated, info = environments.step(actions)
            rewards, over = received[running], (terminated | truncated)[running]
            if record is not None:
                record(running, seen, decided, rewards, observations[running], terminated[running])
            if maze is not None:
                there = (maze.cells(observations[running, :2]) == midway[running]).all(axis=1)
                midway_reached[running[there]] = 1
            returns[running] += rewards
            lengths[running] += 1
            if "success" in info:
                reported = np.asarray(info["success"], float)[running]
                successes[running] = np.fmax(successes[running], reported)  # fmax passes over NaN
            if 0 in running[over]:
                recorder.finish(observations[0])
            agent.memory.keep(~over)
            running, rewards = running[~over], rewards[~over]

            progress.update()
            progress.set_postfix(running=len(running), mean_return=f"{returns.mean():.1f}", refresh=False)
    fractions = np.divide(crossed, segments, out=np.full(count, np.nan), where=segments > 0)
    return Rollout(returns, lengths, successes, fractions, midway_reached, recorder.plans())


def joined(rollouts: list[Rollout]) -> Rollout:
    """The episodes of several rollouts, one after the other; the plans are those of the first."""
    names = ("returns", "lengths", "successes", "wall_crossing_fractions", "shortest_ways")
    episodes = {name: np.concatenate([getattr(rollout, name) for rollout in rollouts]) for name in names}
    return Rollout(**episodes, plans=rollouts[0].plans)


def _wall_crossings(plan: Plan, agent: Agent, maze: Maze) -> np.ndarray:
    states = agent.units.normaliser.unnormalise(plan.states.cpu().numpy())
    positions = states[..., :2]  # [N, H, 2]
    return maze.crosses_wall(positions[:, :-1], positions[:, 1:])
