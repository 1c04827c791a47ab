"""Make the raw dataset of a task from its `source` entry."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import gymnasium
from tqdm import tqdm

from trajectory_diffuser.collecting.checks import checked_episodes
from trajectory_diffuser.collecting.collection import Episode, Policy
from trajectory_diffuser.collecting.minari_store import write_dataset
from trajectory_diffuser.collecting.reference_scores import measure_reference_scores
from trajectory_diffuser.collecting.sources import open_source
from trajectory_diffuser.collecting.sources.controller import find_controller
from trajectory_diffuser.collecting.sources.interface import Request
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.versions import library_versions
from trajectory_diffuser.computing.progress import drawing_interval
from trajectory_diffuser.environments.environment import make_environment


def fetch(task: str, entry: dict[str, Any], settings: dict[str, Any], data: Path, directory: Path) -> None:
    """Collect, download or read the episodes of `task` and write them as a Minari dataset under `directory`.

    `entry` is the task's entry of params.yaml, `settings` its section `fetch_dataset`, `data` the folder
    `data/`. Raises `UserError`; nothing is written then.
    """
    source, seed = entry["source"], settings["seed"]
    environment = make_environment(entry["environment"])
    scores = entry["reference_scores"]
    # What can be wrong is looked up before anything is downloaded, collected or measured.
    controller = find_controller(task, environment) if scores == "measured" else None
    recording = open_source(
        Request(task, source, entry["environment"]["observation_keys"], environment, seed, data)
    )
    episodes = checked_episodes(
        recording.episodes, environment, recording.name, source.get("clip_actions", False)
    )
    first = next(episodes)  # raises if the data does not fit
    if controller is not None:
        scores = _measured_scores(task, environment, controller, settings)
    collection = {
        "task": task,
        "environment": entry["environment"],
        "source": source,
        "algorithm": recording.algorithm,
        "licence": recording.licence,
        "origin": recording.origin,
        "final_observations": recording.final_observations,
        "seed": seed,
        "versions": library_versions("mujoco", "gymnasium", "gymnasium-robotics", "minari", "numpy"),
        "reference_scores": scores,
    }
    episodes = _with_progress(task, chain([first], episodes), recording.steps)
    write_dataset(directory, task, environment, episodes, collection)


def _with_progress(task: str, episodes: Iterable[Episode], steps: int | None) -> Iterator[Episode]:
    with tqdm(
        total=steps, desc=f"fetch {task}", unit="step", unit_scale=True, mininterval=drawing_interval()
    ) as progress:
        for episode in episodes:
            yield episode
            progress.update(len(episode))


def _measured_scores(
    task: str, environment: gymnasium.Env, controller: Policy, settings: dict[str, Any]
) -> dict[str, Any]:
    count = settings["reference_episodes"]
    scores = measure_reference_scores(environment, controller, count, settings["seed"])
    if scores["maximum"] <= scores["minimum"]:
        raise UserError(
            f"params.yaml: tasks.{task}.reference_scores: measured, but the controller's return "
            f"({scores['maximum']:g}) is not above the random policy's ({scores['minimum']:g}); raise "
            "environment.max_episode_steps or fetch_dataset.reference_episodes"
        )
    return scores
