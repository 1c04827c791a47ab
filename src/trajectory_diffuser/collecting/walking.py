"""The folders below one of the user's, behind links too."""

import os
from collections.abc import Iterator
from pathlib import Path


def walk(folder: Path | str) -> Iterator[tuple[Path, list[str], list[str]]]:
    """As `os.walk`: each folder with the names of its folders and files; none if `folder` is not there.

    Links to folders are followed, but each folder is entered once, so that links in a circle come to an end.
    What cannot be reached, as a link to nowhere, is left out.
    """
    seen = set()
    for path, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()  # of two ways to a folder the same one is taken on every machine
        yield Path(path), folders, [name for name in names if os.path.exists(os.path.join(path, name))]
