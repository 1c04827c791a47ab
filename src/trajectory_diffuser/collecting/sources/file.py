"""The user's own data in `data/external/{task}/`: a Minari dataset, or a folder of .npz episodes."""

from pathlib import Path

import numpy as np
from minari.dataset.minari_storage import METADATA_FILE_NAME

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.collecting.sources.minari_files import open_minari
from trajectory_diffuser.collecting.walking import walk
from trajectory_diffuser.common.errors import explained

ARRAYS = ("observations", "actions", "rewards", "terminated")


def open_source(request: Request) -> Recording:
    """The Minari dataset or the episodes found there.

    An episode is a file of L steps with the arrays `observations` [L + 1, obs], `actions` [L, act], `rewards`
    [L] and `terminated` (one truth value); episodes go by the order of their file names.
    """
    folder = request.external
    minari_data = _minari_data(folder)
    episodes = sorted(folder.glob("*.npz"))
    if len(minari_data) == 1 and not episodes:
        return open_minari(minari_data[0], request, {})
    if minari_data or not episodes:
        raise request.error(
            "kind",
            f"file needs either one Minari dataset or .npz episodes in {folder}; there are "
            f"{len(minari_data)} Minari datasets and {len(episodes)} .npz files",
        )
    return Recording(
        episodes=map(_read, episodes),
        name=str(folder),
        steps=None,
        algorithm="unknown",
        licence=request.source["licence"],
    )


def _minari_data(folder: Path) -> list[Path]:
    """The folders `data` of the Minari datasets below a folder, behind links too."""
    found = []
    for path, folders, files in walk(folder):
        if METADATA_FILE_NAME in files:
            found.append(path)
            folders.clear()  # in the Arrow format each episode has a folder and metadata of its own
    return found


def _read(path: Path) -> Episode:
    with explained(lambda why: f"{path}: not an episode ({why}); it needs {', '.join(ARRAYS)}"):
        with np.load(path) as file:
            arrays = {name: file[name] for name in ARRAYS}
        return Episode(**{**arrays, "terminated": bool(arrays["terminated"])})
