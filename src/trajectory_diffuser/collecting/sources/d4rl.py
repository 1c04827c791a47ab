"""D4RL's flat HDF5 files: all episodes end to end, with flags where they end.

Layout (Fu et al., arXiv 2004.07219): `observations`, `actions`, `rewards`, `terminals`; mostly `timeouts`,
and in later files `next_observations`; everything else (`infos/...`) is left alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.collecting.sources.one_file import forgetting_a_bad_download, locate
from trajectory_diffuser.common.errors import UserError, explained

REQUIRED = ("observations", "actions", "rewards", "terminals")


def open_source(request: Request) -> Recording:
    """The file's episodes; it is read one episode at a time."""
    path, sha256 = locate(request)
    with forgetting_a_bad_download(request, path):
        with _opened(path) as file:
            _check_layout(file, path)
            terminals = _flags(file, "terminals", path)
            timeouts = _flags(file, "timeouts", path) if "timeouts" in file else None
            final_observations = "next_observations" in file
        ends = episode_ends(terminals, timeouts, request.environment.spec.max_episode_steps)
        if len(ends) == 0:
            raise UserError(
                f"{path}: no episode ends in it (terminals and timeouts are all false); bring a whole file"
            )
    return Recording(
        episodes=_read(path, ends, terminals),
        name=str(path),
        steps=int(ends[-1]),
        algorithm="as the file's makers say",
        licence=request.source["licence"],
        origin={"sha256": sha256, "unfinished_steps_left_out": len(terminals) - int(ends[-1])},
        final_observations=final_observations,
    )


def episode_ends(terminals: np.ndarray, timeouts: np.ndarray | None, longest: int) -> np.ndarray:
    """The step after the last one of each episode, as D4RL's `sequence_dataset` splits a file.

    Args:
        terminals: whether the episode terminated with a step [steps].
        timeouts: whether it was cut off there [steps]; None if the file has none: then after `longest` steps.
        longest: the environment's time limit.

    What follows the last end is an unfinished episode, which D4RL leaves out too. One difference: in a file
    without timeouts D4RL counts from 1 after the first episode, and so cuts later ones a step too early.
    """
    if timeouts is not None:
        return np.flatnonzero(terminals | timeouts) + 1
    ends, length = [], 0
    for step, terminal in enumerate(terminals, start=1):
        length += 1
        if terminal or length == longest:
            ends.append(step)
            length = 0
    return np.array(ends, int)


def _read(path: Path, ends: np.ndarray, terminals: np.ndarray) -> Iterator[Episode]:
    with _opened(path) as file:
        for start, end in zip([0, *ends[:-1]], ends, strict=True):
            observations = file["observations"][start:end]
            final = (
                file["next_observations"][end - 1 : end] if "next_observations" in file else observations[-1:]
            )
            yield Episode(
                observations=np.concatenate([observations, final]),
                actions=file["actions"][start:end],
                rewards=file["rewards"][start:end].reshape(end - start),
                terminated=bool(terminals[end - 1]),
            )


def _check_layout(file: h5py.File, path: Path) -> None:
    present = [*REQUIRED, *(name for name in ("timeouts", "next_observations") if name in file)]
    for name in present:
        if not isinstance(file.get(name), h5py.Dataset):
            raise UserError(f"{path}: no array {name!r}; D4RL's files have {', '.join(REQUIRED)}")
        shape, rows = file[name].shape, file["observations"].shape[:1]
        if shape[:1] != rows:
            raise UserError(
                f"{path}: {name} has shape {shape}, observations {file['observations'].shape}: not the same "
                "number of steps; bring a whole file"
            )
        matrix = name in ("observations", "actions", "next_observations")
        if len(shape) != 2 if matrix else shape not in (rows, (*rows, 1)):
            wanted = "steps x dimensions" if matrix else "one number per step"
            raise UserError(f"{path}: {name} has shape {shape}; it must be {wanted}")


def _flags(file: h5py.File, name: str, path: Path) -> np.ndarray:
    values = file[name][:].reshape(-1)
    if not np.isin(values, (0, 1)).all():
        raise UserError(f"{path}: {name} has values other than 0 and 1; bring a whole file")
    return values.astype(bool)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    with (
        explained(lambda why: f"{path}: not a readable HDF5 file ({why}); bring it again"),
        h5py.File(path) as file,
    ):
        yield file
