"""D4RL's flat HDF5 files: all episodes end to end, with flags where they end.

Layout (Fu et al., arXiv 2004.07219): `observations`, `actions`, `rewards`, `terminals`; mostly `timeouts`,
and in later files `next_observations`; everything else (`infos/...`) is left alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pooch
import requests

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.datasets.collection import Episode
from trajectory_diffuser.datasets.sources.interface import Recording, Request

REQUIRED = ("observations", "actions", "rewards", "terminals")
DOWNLOAD_ATTEMPTS = 3


def open_source(request: Request) -> Recording:
    """The file's episodes; it is read one episode at a time."""
    path, wanted = _locate(request), request.source["sha256"]
    sha256 = pooch.file_hash(str(path), alg="sha256")
    if wanted not in (None, sha256):
        raise request.error(
            "sha256", f"{path} has {sha256}, not {wanted}; bring the right file or correct it"
        )
    with _opened(path) as file:
        _check_layout(file, path)
        timeouts = file["timeouts"][:].astype(bool) if "timeouts" in file else None
        terminals = file["terminals"][:].astype(bool).reshape(-1)
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

    What follows the last end is an unfinished episode, which D4RL leaves out too.
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
                rewards=file["rewards"][start:end].reshape(-1),
                terminated=bool(terminals[end - 1]),
            )


def _check_layout(file: h5py.File, path: Path) -> None:
    missing = [name for name in REQUIRED if name not in file]
    if missing:
        raise UserError(f"{path}: no array {missing[0]!r}; D4RL's files have {', '.join(REQUIRED)}")
    present = [*REQUIRED, *(name for name in ("timeouts", "next_observations") if name in file)]
    rows = {name: file[name].shape[0] for name in present}
    for name in present:
        if rows[name] != rows["observations"]:
            raise UserError(
                f"{path}: {name} has {rows[name]} rows, observations {rows['observations']}; bring a "
                "whole file"
            )
        matrix = name in ("observations", "actions", "next_observations")
        if matrix and file[name].ndim != 2:
            raise UserError(f"{path}: {name} has shape {file[name].shape}; it must be steps x dimensions")


def _locate(request: Request) -> Path:
    name = request.source["file"]
    if "://" not in name:
        path = request.external / name
        if not path.is_file():
            raise request.error("file", f"{path} does not exist; put or link the file there, or give a URL")
        return path
    file_name = name.rsplit("/", 1)[-1]
    downloader = pooch.create(
        path=request.downloads / request.task,
        base_url="",
        registry={file_name: request.source["sha256"]},
        urls={file_name: name},
        retry_if_failed=DOWNLOAD_ATTEMPTS - 1,
    )
    try:
        return Path(downloader.fetch(file_name, progressbar=True))
    except (requests.exceptions.RequestException, ValueError) as error:
        reason = " ".join(str(error).split())
        raise request.error(
            "file",
            f"{name} could not be downloaded ({type(error).__name__}: {reason}); try again, or download "
            "it by hand "
            f"to {request.external / file_name} and write file: {file_name}",
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"{path}: not a readable HDF5 file ({error}); bring it again") from None
