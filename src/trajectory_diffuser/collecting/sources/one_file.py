"""A source's one file, brought by the user or downloaded, and its hash."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch
import requests

from trajectory_diffuser.collecting.sources.interface import Request
from trajectory_diffuser.common.errors import UserError, reason

DOWNLOAD_ATTEMPTS = 3


def locate(request: Request) -> tuple[Path, str]:
    """The file that `source.file` names and its SHA-256: from `data/external/{task}/`, or downloaded once.

    Raises `UserError` when it is not there, cannot be downloaded or has another hash than `source.sha256`.
    """
    path, wanted = _find(request), request.source["sha256"]
    sha256 = pooch.file_hash(str(path), alg="sha256")
    if wanted not in (None, sha256):
        raise request.error(
            "sha256", f"{path} has {sha256}, not {wanted}; bring the right file or correct it"
        )
    return path, sha256


@contextmanager
def forgetting_a_bad_download(request: Request, path: Path) -> Iterator[None]:
    """Delete a downloaded file that turns out to be no data, or the next try would find it again."""
    try:
        yield
    except UserError:
        if path.resolve().is_relative_to(request.downloads.resolve()):
            path.unlink()
        raise


def _find(request: Request) -> Path:
    name = request.source["file"]
    if "://" not in name:
        path = request.external / name
        if not os.path.isfile(path):  # where Path.is_file raises, for names too long
            raise request.error("file", f"{path} does not exist; put or link the file there, or give a URL")
        return path
    file_name = name.rsplit("/", 1)[-1]
    downloader = pooch.create(
        path=request.downloads / request.task / hashlib.sha256(name.encode()).hexdigest()[:12],
        base_url="",
        registry={file_name: request.source["sha256"]},
        urls={file_name: name},
        retry_if_failed=DOWNLOAD_ATTEMPTS - 1,
    )
    try:
        return Path(downloader.fetch(file_name, progressbar=True))
    except (requests.exceptions.RequestException, ValueError) as error:
        raise request.error(
            "file",
            f"{name} could not be downloaded ({reason(error)}); try again, or download it "
            f"by hand to {request.external / file_name} and write file: {file_name}",
        ) from None
