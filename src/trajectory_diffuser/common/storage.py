"""The project's files in a bucket of S3's: there Snakemake looks for inputs of jobs that share no disk."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def store_changed(bucket: Any, prefix: str, root: Path, paths: Iterable[str]) -> list[str]:
    """Upload those of the files that the bucket does not have as they are here; what it has keeps its age.

    Args:
        bucket: boto3's resource of a bucket.
        prefix: What the keys begin with, "" or ending with a slash.
        root: The folder that the paths are relative to.
        paths: With "/" between folders.

    Returns:
        The paths of the uploaded files.
    """
    paths = sorted(set(paths))
    folders = {path.split("/")[0] for path in paths}
    listed = (each for folder in folders for each in bucket.objects.filter(Prefix=f"{prefix}{folder}/"))
    there = {each.key: each for each in listed}
    changed = [path for path in paths if not _same(root / path, there.get(f"{prefix}{path}"))]
    for path in changed:
        bucket.upload_file(str(root / path), f"{prefix}{path}")
    return changed


def lead_here(link: Path, root: Path) -> None:
    """Make a path a link to a folder, unless it is one already."""
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(root.resolve(), target_is_directory=True)


def _same(file: Path, stored: Any) -> bool:
    """Whether a stored object has the file's content; of one stored in parts size and age must do."""
    if stored is None or stored.size != file.stat().st_size:
        return False
    tag = stored.e_tag.strip('"')
    if len(tag) != 32:  # S3 tells whole seconds
        return stored.last_modified.timestamp() >= int(file.stat().st_mtime)
    with file.open("rb") as content:
        return tag == hashlib.file_digest(content, "md5").hexdigest()
