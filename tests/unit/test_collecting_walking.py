"""What is found below a user's folder when links are in it."""

from pathlib import Path

import pytest
from minari.dataset.minari_storage import METADATA_FILE_NAME

from trajectory_diffuser.collecting.sources.file import _minari_data
from trajectory_diffuser.collecting.walking import walk


def files(folder: Path) -> list[str]:
    return [str((path / name).relative_to(folder)) for path, _, names in walk(folder) for name in names]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, a link to a folder elsewhere that holds another."""
    for name in ("mine/deeper/a", "elsewhere/b"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    (tmp_path / "mine" / "link").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "mine"


def test_files_are_found_behind_links_to_folders(folder: Path) -> None:
    assert files(folder) == ["deeper/a", "link/b"]
    assert files(folder / "missing") == []


def test_links_in_a_circle_come_to_an_end(folder: Path) -> None:
    for index in range(20):  # 20 ways at each of 40 levels: nobody would live to see the end
        (folder / f"up{index}").symlink_to(folder)
        (folder / "deeper" / f"up{index}").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "nowhere").symlink_to(folder / "missing")
    assert files(folder) == ["deeper/a", "link/b"]


def test_a_dataset_beside_links_in_a_circle_is_found_once(folder: Path) -> None:
    (folder / "deeper" / METADATA_FILE_NAME).touch()
    (folder / "deeper" / "up").symlink_to(folder)
    (folder / "up").symlink_to(folder)
    assert _minari_data(folder) == [folder / "deeper"]
