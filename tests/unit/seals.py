"""What a test has written or changed, taken for what a stage wrote."""

from pathlib import Path

from trajectory_diffuser.computing.manifest import write_manifest
from trajectory_diffuser.computing.times import seal_times


def seal(*files: Path | str) -> None:
    """Give the folders of these files a manifest of what they hold now."""
    for folder in {Path(file).parent for file in files}:
        write_manifest(folder)
        seal_times(folder)


def seal_all(root: Path) -> None:
    """Likewise every folder below `root` that holds files."""
    seal(*(path for path in root.rglob("*") if path.is_file()))
