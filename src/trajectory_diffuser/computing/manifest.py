"""What was written is recognised: a directory lists its files and their digests, and its readers compare."""

import hashlib
import json
from pathlib import Path

from trajectory_diffuser.common.errors import UserError

MANIFEST = "manifest.json"
TIMES = "times.json"  # not a part of what was written, see `computing.times`


def write_manifest(directory: Path) -> None:
    """List the files of a directory, and of those in it, with their SHA-256 in its `manifest.json`."""
    digests = {path.relative_to(directory).as_posix(): _digest(path) for path in sorted(_files(directory))}
    (directory / MANIFEST).write_text(json.dumps(digests, indent=2) + "\n")


def require_intact(directory: Path, remedy: str) -> None:
    """Compare a directory with its manifest; one that is not there at all is left to its reader.

    Args:
        directory: that a stage has written.
        remedy: the command that writes it again.

    Raises:
        UserError: naming the first file that is missing or differs from what was written.
    """
    if not directory.is_dir():
        return
    manifest = directory / MANIFEST
    try:
        digests = json.loads(manifest.read_bytes())
        files = {directory / name: digest for name, digest in digests.items()}
    except FileNotFoundError:
        raise UserError(
            f"{manifest}: missing, so {directory} is incomplete or of an older version; run: {remedy}"
        ) from None
    except (ValueError, AttributeError, TypeError):
        raise UserError(f"{manifest}: damaged; run: {remedy}") from None
    for path, digest in files.items():
        if not path.is_file():
            raise UserError(f"{path}: missing, though it was written; run: {remedy}")
        if _digest(path) != digest:
            raise UserError(f"{path}: damaged, it is not what was written; run: {remedy}")


def unlisted(directory: Path) -> list[Path]:
    """Files that are in a directory, but not in its manifest; hidden ones are programs' own."""
    listed = {directory / name for name in json.loads((directory / MANIFEST).read_bytes())}
    others = sorted(_files(directory) - listed)
    hidden = (any(name.startswith(".") for name in path.relative_to(directory).parts) for path in others)
    return [path for path, hides in zip(others, hidden, strict=True) if not hides]


def _files(directory: Path) -> set[Path]:
    """All files of a directory, and of those in it, that its manifest is to list."""
    own = (directory / MANIFEST, directory / TIMES)
    return {path for path in directory.rglob("*") if path.is_file() and path not in own}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
