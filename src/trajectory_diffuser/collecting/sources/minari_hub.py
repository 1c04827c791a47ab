"""Minari datasets by id: from the user's Minari folder, or else from the hub.

Minari's own settings hold: `MINARI_DATASETS_PATH` (the user's folder), `MINARI_REMOTE` and `HF_ENDPOINT` (the
hub).
"""

import os
import shutil
from pathlib import Path

import minari
from huggingface_hub import HfApi
from minari.storage.datasets_root_dir import get_dataset_path
from minari.storage.remotes import DEFAULT_REMOTE
from tenacity import Retrying, stop_after_attempt, wait_exponential

from trajectory_diffuser.collecting.minari_store import minari_root
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.collecting.sources.minari_files import open_minari
from trajectory_diffuser.common.errors import explained
from trajectory_diffuser.computing.files import write_json

ATTEMPTS = 3
COMPLETE_FILE = "download_complete.json"


def open_source(request: Request) -> Recording:
    """The dataset, downloaded once to `data/downloads/{task}/` if the user's Minari folder has it not."""
    dataset = request.source["dataset"]
    folder = get_dataset_path(dataset)
    if not (folder / "data").is_dir():
        root = request.downloads / request.task  # a folder of its own: other tasks may download meanwhile
        if not (root / dataset / COMPLETE_FILE).exists():
            _download(dataset, root, request)
        folder = root / dataset
    return open_minari(folder / "data", request, {"dataset": dataset})


def _download(dataset: str, root: Path, request: Request) -> None:
    """Download to the Minari root `root` and compare with the hub's checksums.

    huggingface_hub itself asks a busy or silent hub again, for about half a minute, and goes on where a
    broken connection stopped; a failed download as a whole is tried again here.
    """
    root.mkdir(parents=True, exist_ok=True)
    attempts = Retrying(stop=stop_after_attempt(ATTEMPTS), wait=wait_exponential(max=10), reraise=True)

    def failed(why: str) -> str:
        by_hand = f"machine with a network run `minari download {dataset}` and copy the folder to"
        again = f"try again, or on a {by_hand} {get_dataset_path(dataset)}"
        return str(request.error("dataset", f"{dataset} could not be downloaded ({why}); {again}"))

    with explained(failed):
        known = minari.list_remote_datasets(prefix=dataset.rsplit("-v", 1)[0])
        if dataset not in known:
            there = ", ".join(known) or "nothing of that name; see minari list remote"
            raise request.error("dataset", f"{dataset!r} is not on the hub; there is {there}")
        for attempt in attempts:
            with attempt, minari_root(root):
                # Forced, it completes a download that was broken off; whole files are kept.
                minari.download_dataset(dataset, force_download=True)
                _compare_checksums(dataset, root)
    write_json(root / dataset / COMPLETE_FILE, {"dataset": dataset})


def _compare_checksums(dataset: str, root: Path) -> None:
    """Delete the download and raise `OSError` if a file differs from the hub's: Minari does not check."""
    remote, owner = os.environ.get("MINARI_REMOTE", DEFAULT_REMOTE).split("://", maxsplit=1)
    if remote != "hf":
        return
    repository = dataset.split("/")[0]
    report = HfApi().verify_repo_checksums(
        f"{owner}/{repository}", repo_type="dataset", local_dir=root / repository
    )
    if report.mismatches:
        shutil.rmtree(root / repository)
        raise OSError(f"{report.mismatches[0]['path']} was damaged on the way")
