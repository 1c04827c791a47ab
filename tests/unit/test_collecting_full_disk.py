"""A disk without room: one clear line, and nothing half-written."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_collecting_bad_data import D4RL, good
from test_collecting_d4rl import write_file
from test_collecting_fetching import HOPPER, SCORES, SETTINGS

from trajectory_diffuser.collecting.fetching import fetch
from trajectory_diffuser.collecting.preparation import prepare
from trajectory_diffuser.common.stage import ending_with_one_line


def test_a_full_disk_is_seen_before_hdf5_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good(tmp_path / "external" / "toy", D4RL)
    usage = shutil.disk_usage(tmp_path)._replace(free=2**25)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    entry = {"environment": HOPPER, "source": D4RL, "reference_scores": SCORES}
    with pytest.raises(SystemExit, match="error: cannot write: No space left"), ending_with_one_line():
        try:
            fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
        finally:
            printed = capsys.readouterr().err
    assert printed.endswith("\n")  # the progress bar has ended, so that the error begins a line
    assert [path.name for path in tmp_path.iterdir()] == ["external"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with 33 MiB of disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=33m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("stage", ["fetch", "prepare"])
def test_full_disk_leaves_nothing_half_written(tmp_path: Path, small_disk: Path, stage: str) -> None:
    write_file(tmp_path / "external" / "toy" / "toy.hdf5", [0] * 30_000, ([0] * 999 + [1]) * 30)
    entry = {"environment": HOPPER, "source": D4RL, "reference_scores": SCORES}
    fetch("toy", entry, SETTINGS, tmp_path, tmp_path / "raw")
    (small_disk / "filling").write_bytes(bytes(2**25 if stage == "prepare" else 0))

    def run(folder: Path) -> None:
        if stage == "fetch":
            fetch("toy", entry, SETTINGS, tmp_path, folder / "made")
        else:
            prepare(tmp_path / "raw", folder / "made", "toy", HOPPER, 0.0, 0)

    with pytest.raises(SystemExit) as ended, ending_with_one_line():
        run(small_disk)
    assert str(ended.value).startswith("error: cannot write: No space left on device")
    assert [path.name for path in small_disk.iterdir()] == ["filling"]
    run(tmp_path)
