"""Minari datasets from elsewhere, checked against the task's environment."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import minari

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.minari_store import read_episodes
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.common.errors import UserError, explained, reason


def open_minari(path: Path, request: Request, origin: dict[str, Any]) -> Recording:
    """The Minari dataset whose folder `data` is `path`.

    Raises `UserError` for a damaged dataset, and for one from another environment than the task's (its
    version may differ).
    """
    try:
        dataset = minari.MinariDataset(path)
        steps = int(dataset.total_steps)
    except ImportError as error:
        raise UserError(f"{path}: its format needs a package that is not installed: {error}") from None
    except Exception as error:  # whatever damaged metadata make Minari say
        raise UserError(f"{path}: not a readable Minari dataset ({reason(error)}); bring it again") from None
    made_in = dataset.env_spec.id if dataset.env_spec else None
    wanted = request.environment.spec.id
    if made_in is not None and _family(made_in) != _family(wanted):
        raise UserError(
            f"params.yaml: tasks.{request.task}.environment.id: {wanted}, but {path} was collected in "
            f"{made_in}; name that environment, or other data"
        )
    space, keys = dataset.observation_space, request.observation_keys
    if isinstance(space, gymnasium.spaces.Dict) and not set(keys or [""]) <= set(space.keys()):
        raise UserError(
            f"params.yaml: tasks.{request.task}.environment.observation_keys: {keys} does not fit {path}; "
            f"list some of: {', '.join(space.keys())}"
        )
    metadata = dataset.storage.metadata
    origin = origin | {
        "environment": made_in,
        "arguments": dict(dataset.env_spec.kwargs) if dataset.env_spec else {},
        "minari_version": str(metadata.get("minari_version")),
    }
    return Recording(
        episodes=_read(dataset, path, request),
        name=str(path),
        steps=steps,
        algorithm=str(metadata.get("algorithm_name", "unknown")),
        licence=request.source["licence"],
        origin=origin,
    )


def _read(dataset: minari.MinariDataset, path: Path, request: Request) -> Iterator[Episode]:
    with explained(lambda why: f"{path}: damaged ({why}); bring it again"):
        yield from read_episodes(dataset, request.observation_keys)


def _family(identifier: str) -> str:
    return re.sub(r"-v\d+$", "", identifier)
