"""Make the raw dataset of a task from its `source` entry."""

import sys
from pathlib import Path
from typing import Any

import gymnasium
from tqdm import tqdm

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.versions import library_versions
from trajectory_diffuser.datasets.actors import Ladder
from trajectory_diffuser.datasets.behaviour import collect_mixture
from trajectory_diffuser.datasets.collection import Episode, collect_steps
from trajectory_diffuser.datasets.controller import WaypointController
from trajectory_diffuser.datasets.environments import make_environment
from trajectory_diffuser.datasets.maze import Maze
from trajectory_diffuser.datasets.minari_store import write_dataset
from trajectory_diffuser.datasets.reference_scores import measure_reference_scores


def fetch(
    task: str, entry: dict[str, Any], settings: dict[str, Any], behaviour: Path, directory: Path
) -> None:
    """Collect the episodes of `task` and write them as a Minari dataset under `directory`.

    `entry` is the task's entry of params.yaml, `settings` its section `fetch_dataset`, `behaviour` the folder
    that holds the ladders of actors. Raises `UserError` before collecting when the entry cannot be served.
    """
    source, steps, seed = entry["source"], settings["steps"], settings["seed"]
    environment = make_environment(entry["environment"])
    # Everything that can be wrong is looked up before anything is collected.
    ladder = _ladder(task, entry, behaviour) if source["kind"] == "behaviour" else None
    maze = _maze(task, environment) if source["kind"] == "controller" else None
    scores = entry["reference_scores"]
    if scores == "measured":
        scores = _measured_scores(task, environment, settings)
    interval = 0.5 if sys.stderr.isatty() else 15
    with tqdm(
        total=steps, desc=f"fetch {task}", unit="step", unit_scale=True, mininterval=interval
    ) as progress:
        seed_parts = (seed, task)
        if ladder is not None:
            algorithm = f"{ladder.record['algorithm']} actors, stochastic"
            episodes = collect_mixture(environment, ladder, source["mixture"], steps, seed_parts, progress)
        else:
            algorithm = "waypoint controller"
            policy = WaypointController(maze, source["action_noise"])
            episodes = collect_steps(environment, policy, steps, seed_parts, progress)
    collection = {
        "task": task,
        "environment": entry["environment"],
        "source": source,
        "seed": seed,
        "versions": library_versions("mujoco", "gymnasium", "gymnasium-robotics", "minari", "numpy"),
        "reference_scores": scores,
    }
    write_dataset(
        directory, task, environment, episodes, collection, algorithm, _description(entry, episodes)
    )


def _ladder(task: str, entry: dict[str, Any], behaviour: Path) -> Ladder:
    ladder = Ladder.load(behaviour / entry["source"]["ladder"])
    trained, wanted = ladder.record["environment"], entry["environment"]["id"]
    if trained != wanted:
        raise UserError(
            f"params.yaml: tasks.{task}.source.ladder: {entry['source']['ladder']} has actors for {trained}, "
            f"not for {wanted}; name another ladder or set environment.id to {trained}"
        )
    return ladder


def _measured_scores(task: str, environment: gymnasium.Env, settings: dict[str, Any]) -> dict[str, Any]:
    maze = _maze(task, environment)
    scores = measure_reference_scores(environment, maze, settings["reference_episodes"], settings["seed"])
    if scores["maximum"] <= scores["minimum"]:
        raise UserError(
            f"params.yaml: tasks.{task}.reference_scores: measured, but the controller's return "
            f"({scores['maximum']:g}) is not above the random policy's ({scores['minimum']:g}); raise "
            "environment.max_episode_steps or fetch_dataset.reference_episodes"
        )
    return scores


def _maze(task: str, environment: gymnasium.Env) -> Maze:
    maze = Maze.of_environment(environment)
    if maze is None:
        raise UserError(
            f"params.yaml: tasks.{task}: the controller source and measured reference scores need a maze; "
            f"{environment.spec.id} is none: use a behaviour source and give the reference scores"
        )
    return maze


def _description(entry: dict[str, Any], episodes: list[Episode]) -> str:
    keys = entry["environment"]["observation_keys"]
    joined = f" Observations join {' and '.join(keys)} into one vector." if keys else ""
    return f"{len(episodes)} episodes of {entry['environment']['id']} by {entry['source']['kind']}.{joined}"
