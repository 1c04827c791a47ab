"""How long an evaluation takes per environment step: `python benchmarks/evaluation.py`.

Untrained networks of the sizes of params.yaml act as the planner `trajectory_diffuser` does: one episode
after another, and all at once. Each time is the median over rounds in which both take turns, without each
episode's first step. What is not planning is stepping the environments. The goal: all at once at least twice
as fast as one after another.
"""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

import numpy as np
import torch

from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.common.versions import code_commit, library_versions
from trajectory_diffuser.computing.device import computing_device, device_name
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.evaluation.cell import planner_of
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.evaluation.untrained import untrained_models
from trajectory_diffuser.planning.choice import middle, settled
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.planning.runtime import Runtime

TASK, PLANNER = "hopper-medium-expert", "trajectory_diffuser"
# From fast to slow; none of them ends an episode early under an untrained planner.
ENVIRONMENTS = {
    "Hopper-v5": {"arguments": {"terminate_when_unhealthy": False}, "observation_keys": None},
    "AdroitHandDoor-v1": {"arguments": {}, "observation_keys": None},
    "FrankaKitchen-v1": {"arguments": {}, "observation_keys": ["observation"]},
}


def main() -> None:
    """Print a row per environment and way of running its episodes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    fast = list(ENVIRONMENTS)[:2]
    parser.add_argument("--environments", nargs="+", choices=list(ENVIRONMENTS), default=fast)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--steps", type=int, default=20, help="of an episode")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    params, episodes = load_params(), arguments.episodes
    ways = [1, episodes]  # at once
    with computing_device(params["run"], params["evaluate"]["threads"]) as device:
        print(f"{device_name(device)}, threads {torch.get_num_threads()}, commit {code_commit()}")
        print(", ".join(f"{name} {version}" for name, version in library_versions().items()))
        print(f"{episodes} episodes of {arguments.steps} steps, median of {arguments.rounds} rounds\n")
        print("milliseconds per environment step")
        print(f"{'':18} {'at once':>7} {'total':>8} {'planning':>8} {'speed-up':>8}")
        for name in arguments.environments:
            environment = {"id": name, "max_episode_steps": arguments.steps} | ENVIRONMENTS[name]
            models = models_for(params, environment, device)
            runtime = Runtime.from_params(params, device)
            rounds = [
                [evaluate(params, models, runtime, environment, episodes, at_once) for at_once in ways]
                for _ in range(arguments.rounds)
            ]
            medians = 1000 * np.median(rounds, axis=0)  # [ways, 2]
            for at_once, (total, planning) in zip(ways, medians, strict=True):
                speed_up = medians[0, 0] / total
                print(f"{name:18} {at_once:7} {total:8.3f} {planning:8.3f} {speed_up:8.2f}", flush=True)


def evaluate(
    params: dict[str, Any],
    models: PlanningModels,
    runtime: Runtime,
    environment: dict[str, Any],
    episodes: int,
    at_once: int,
) -> tuple[float, float]:
    """Seconds per environment step, and those of them that went into planning."""
    seconds, planning = 0.0, 0.0
    row = settled(params["planners"][PLANNER], middle(params["tune"]["grid"]))
    groups = np.array_split(np.arange(episodes), -(-episodes // at_once))
    for number, seeds in enumerate(groups):
        planner = planner_of([row], models, runtime, number)
        act = TimedCalls(planner.act)
        with patch.object(planner, "act", act):
            run_episodes(planner, environment, seeds.tolist(), None, f"{at_once} at once")
        # Before the end of the first decision environments are made, networks compiled and caches filled.
        seconds += act.ended[-1] - act.ended[0]
        planning += sum(act.ended[1:]) - sum(act.started[1:])
    steps = episodes * (environment["max_episode_steps"] - 1)
    return seconds / steps, planning / steps


class TimedCalls:
    """A function that notes when its calls start and end."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.started: list[float] = []
        self.ended: list[float] = []

    def __call__(self, *arguments: Any) -> Any:
        """As the function."""
        self.started.append(time.perf_counter())
        result = self.function(*arguments)
        self.ended.append(time.perf_counter())
        return result


def models_for(params: dict[str, Any], environment: dict[str, Any], device: torch.device) -> PlanningModels:
    """Untrained networks of the sizes in the parameters, for the environment's observations and actions."""
    with closing(make_environment(environment)) as one:
        state, action = one.observation_space.shape[0], one.action_space.shape[0]
    ones = np.ones(state, np.float32)
    normaliser = Normaliser(mean=0 * ones, std=ones, minimum=-9 * ones, maximum=9 * ones)
    sizes = {key: params["tasks"][TASK][key] for key in ("horizon", "history")}
    return untrained_models(params, normaliser, action, device, **sizes)


if __name__ == "__main__":
    main()
