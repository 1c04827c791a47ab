"""OGBench's manipulation data: collected here as its authors collected it, or read from its published files.

OGBench's data have no rewards. What is played, trajectories of a thousand steps towards random targets, gets
the rewards of a task afterwards, from OGBench itself, and is cut where the task's environment would have
ended an episode: returns and lengths are such as an evaluation can have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from trajectory_diffuser.collecting.collection import Episode, collect_episode, collect_steps
from trajectory_diffuser.collecting.oracles import OraclePolicy
from trajectory_diffuser.collecting.sources.behaviour import OWN_LICENCE
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.collecting.sources.one_file import forgetting_a_bad_download, locate
from trajectory_diffuser.common.errors import UserError, explained
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.environments.ogbench import is_ogbench, make_data_collection_environment

TRAJECTORY_STEPS = 1000
REQUIRED = ("observations", "actions", "terminals", "qpos")
FACTS = ("qpos", "button_states")  # of the simulation, from which OGBench computes a task's rewards


@dataclass(frozen=True)
class Trajectory:
    """L steps without rewards, and what the simulation was like before each of them and after the last.

    Attributes:
        observations: [L + 1, obs].
        actions: [L, act].
        facts: qpos [L + 1, qpos]; button_states [L + 1, buttons] where there are buttons.
    """

    observations: np.ndarray
    actions: np.ndarray
    facts: dict[str, np.ndarray] = field(default_factory=dict)


def open_source(request: Request) -> Recording:
    """Whole episodes of every part of the mixture ({oracle, goal, noise, random_actions, steps}), in turn."""
    _check_environment(request)
    mixture = request.source["mixture"]
    return Recording(
        episodes=_collect(request, mixture),
        name=request.environment.spec.id,
        steps=sum(part["steps"] for part in mixture),
        algorithm="; ".join(f"OGBench's {part['oracle']} oracle, goal: {part['goal']}" for part in mixture),
        licence=OWN_LICENCE,
        origin={"versions": {name: version(name) for name in ("ogbench", "dm-control")}},
    )


def open_file(request: Request) -> Recording:
    """The episodes of one of OGBench's published .npz files."""
    _check_environment(request)
    path, sha256 = locate(request)
    with forgetting_a_bad_download(request, path):
        trajectories = read_trajectories(path)
    return Recording(
        episodes=(
            episode
            for trajectory in trajectories
            for episode in task_episodes(trajectory, request.environment)
        ),
        name=str(path),
        steps=None,
        algorithm="as the file's makers say",
        licence=request.source["licence"],
        origin={"sha256": sha256},
    )


def _check_environment(request: Request) -> None:
    if not is_ogbench(request.environment):
        raise request.error(
            "kind",
            f"{request.source['kind']} needs one of OGBench's cube, puzzle or scene tasks with a reward, "
            f"such as cube-single-singletask-v0; environment.id is {request.environment.spec.id}",
        )


def _collect(request: Request, mixture: list[dict[str, Any]]) -> Iterator[Episode]:
    for index, part in enumerate(mixture):
        settings = part["oracle"], part["noise"], part["random_actions"]
        seed_parts = (*request.seed_parts, index)
        if part["goal"] == "task":
            policy = OraclePolicy(request.environment, *settings)
            yield from collect_steps(request.environment, policy, part["steps"], seed_parts)
            continue
        collected = 0
        for trajectory in play(request.environment, settings, seed_parts):
            for episode in task_episodes(trajectory, request.environment):
                yield episode
                collected += len(episode)
            if collected >= part["steps"]:
                break


def play(
    task: gymnasium.Env, settings: tuple[str, float, float], seed_parts: tuple[object, ...]
) -> Iterator[Trajectory]:
    """Endless trajectories of an oracle with random targets, as OGBench's data scripts make them."""
    environment = FactsRecorder(make_data_collection_environment(task, TRAJECTORY_STEPS))
    policy = OraclePolicy(environment, *settings)
    index = 0
    while True:
        episode = collect_episode(environment, policy, derive_seed(*seed_parts, index))
        index += 1
        facts = environment.recorded()
        if not environment.spec.id.startswith("scene-") or _cube_in_sight(facts["qpos"][:, 14:17]):
            yield Trajectory(episode.observations, episode.actions, facts)


def _cube_in_sight(cube: np.ndarray) -> bool:
    """OGBench's check of a scene: the cube's positions [L + 1, 3] are on the table or in the drawer."""
    _, y, z = cube.T
    return not ((y >= 0.29) | ((y <= -0.3) & ((z < 0.06) | (z > 0.08)))).any()


class FactsRecorder(gymnasium.Wrapper):
    """Keeps the facts of the simulation at each state of an episode."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.names = FACTS if hasattr(env.unwrapped, "_num_buttons") else FACTS[:1]
        self.facts: list[dict[str, np.ndarray]] = []

    def reset(self, **arguments: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin anew."""
        observation, info = self.env.reset(**arguments)
        self.facts = [self._of(info)]
        return observation, info

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Keep what the step leads to."""
        answer = self.env.step(action)
        self.facts.append(self._of(answer[-1]))
        return answer

    def recorded(self) -> dict[str, np.ndarray]:
        """Each fact at every state so far, [L + 1, ...]."""
        return {name: np.array([facts[name] for facts in self.facts]) for name in self.names}

    def _of(self, info: dict[str, Any]) -> dict[str, np.ndarray]:
        return {name: info[name] for name in self.names}


def read_trajectories(path: Path) -> list[Trajectory]:
    """The trajectories of an OGBench file: N steps end to end, `terminals` true at the last of each.

    The last step's action leads nowhere that is recorded: as in OGBench's own loader it is left out.
    Raises `UserError` for other files.
    """
    with (
        explained(lambda why: f"{path}: not a readable .npz file ({why}); bring it again"),
        np.load(path) as file,
    ):
        arrays = {name: file[name] for name in (*REQUIRED, "button_states") if name in file}
    rows = {name: len(array) for name, array in arrays.items()}
    if missing := [name for name in REQUIRED if name not in rows]:
        raise UserError(f"{path}: no array {missing[0]!r}; OGBench's files have {', '.join(REQUIRED)}")
    if len(set(rows.values())) != 1:
        raise UserError(f"{path}: arrays of different lengths ({rows}); bring a whole file")
    ends = np.flatnonzero(arrays["terminals"]) + 1
    return [
        Trajectory(
            arrays["observations"][start:end],
            arrays["actions"][start : end - 1],
            {name: arrays[name][start:end] for name in FACTS if name in arrays},
        )
        for start, end in zip([0, *ends[:-1]], ends, strict=False)
    ]


def task_episodes(trajectory: Trajectory, task: gymnasium.Env) -> Iterator[Episode]:
    """The trajectory as episodes of a task: with its rewards, ended where its environment would end them."""
    rewards, solved = task_rewards(trajectory, task)
    for start, end, terminated in episode_bounds(solved, task.spec.max_episode_steps):
        yield Episode(
            observations=trajectory.observations[start : end + 1],
            actions=trajectory.actions[start:end],
            rewards=rewards[start:end].astype(np.float64),
            terminated=terminated,
        )


def episode_bounds(solved: np.ndarray, longest: int) -> Iterator[tuple[int, int, bool]]:
    """First step, step after the last, and whether it terminated, of each episode in a trajectory.

    Args:
        solved: whether the task is, in each state [L + 1].
        longest: steps after which the environment truncates.

    An episode begins in an unsolved state and terminates with the step taken in a solved one. What is left at
    the end, too short to have ended either way, is left out: its return would pass for that of a success.
    """
    start, steps = 0, len(solved) - 1
    while start < steps:
        if solved[start]:
            start += 1
            continue
        found = np.flatnonzero(solved[start : min(start + longest, steps)])
        end = start + (int(found[0]) + 1 if len(found) else longest)
        if end <= steps:
            yield start, end, len(found) > 0
        start = end


def task_rewards(trajectory: Trajectory, task: gymnasium.Env) -> tuple[np.ndarray, np.ndarray]:
    """Of an action taken in each state, the reward, and whether the state is solved, both [L + 1].

    Computed by OGBench's loader of single-task data.
    """
    from ogbench.relabel_utils import relabel_dataset

    labels = dict(trajectory.facts)
    relabel_dataset(task.spec.id, task, labels)
    return labels["rewards"], labels["masks"] == 0
