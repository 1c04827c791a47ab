"""What a source is asked and what it answers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.common.errors import UserError


@dataclass(frozen=True)
class Request:
    """Data for a task.

    Attributes:
        task: its name.
        source: its `source` entry in params.yaml.
        observation_keys: entries of a dictionary observation that are joined, or None.
        environment: what the data must fit, and where actors act.
        seed: of everything random.
        data: the folder `data/`.
    """

    task: str
    source: dict[str, Any]
    observation_keys: list[str] | None
    environment: gymnasium.Env
    seed: int
    data: Path

    @property
    def seed_parts(self) -> tuple[object, ...]:
        """What all seeds of episodes derive from.

        The task's name is not in it: equal sources give equal episodes, those of fewer steps are the first of
        more, so that tasks which differ in one thing differ in nothing else.
        """
        return self.seed, self.environment.spec.id

    @property
    def external(self) -> Path:
        """Where the user puts files for this task."""
        return self.data / "external" / self.task

    @property
    def downloads(self) -> Path:
        """Where downloads are kept, so that they are made once."""
        return self.data / "downloads"

    def error(self, key: str, problem: str) -> UserError:
        """An error about a key of the `source` entry."""
        return UserError(f"params.yaml: tasks.{self.task}.source.{key}: {problem}")


@dataclass(frozen=True)
class Recording:
    """Episodes and what is to be known of them.

    Attributes:
        episodes: one after the other, so that no more than one need be in memory.
        name: what an error calls the data (a file, an id).
        steps: how many there will be, about; None where that is not known beforehand.
        algorithm: what acted.
        licence: of the data.
        origin: further facts for the provenance (hash, versions of actors, ...).
        final_observations: False if the observation after each episode's last action was not recorded and the
            one before stands in for it.
    """

    episodes: Iterator[Episode]
    name: str
    steps: int | None
    algorithm: str
    licence: str
    origin: dict[str, Any] = field(default_factory=dict)
    final_observations: bool = True
