"""D4RL's flat files: where episodes end, what is read, what is refused is in test_collecting_bad_data."""

import hashlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectory_diffuser.collecting.collection import Episode
from trajectory_diffuser.collecting.sources import open_source
from trajectory_diffuser.collecting.sources.d4rl import episode_ends
from trajectory_diffuser.collecting.sources.interface import Recording, Request
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments.environment import make_environment

HOPPER = {"id": "Hopper-v5", "arguments": {}, "max_episode_steps": 4, "observation_keys": None}


def write_file(
    path: Path, terminals: list[int], timeouts: list[int] | None, **extra: Any
) -> dict[str, np.ndarray]:
    """A file of as many Hopper steps as there are flags; returns its arrays."""
    steps, generator = len(terminals), np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "observations": generator.normal(size=(steps, 11)).astype(np.float32),
        "actions": generator.uniform(-1, 1, size=(steps, 3)).astype(np.float32),
        "rewards": generator.normal(size=steps).astype(np.float32),
        "terminals": np.array(terminals, bool),
        "infos/qpos": np.zeros((steps, 6)),
    }
    arrays |= {} if timeouts is None else {"timeouts": np.array(timeouts, bool)}
    arrays |= extra
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return arrays


def open_file(data: Path, **changes: Any) -> Recording:
    source = {"kind": "d4rl", "file": "toy.hdf5", "sha256": None, "clip_actions": False, "licence": "none"}
    return open_source(Request("toy", source | changes, None, make_environment(HOPPER), 0, data))


def as_d4rl(terminals: np.ndarray, timeouts: np.ndarray | None, longest: int) -> list[tuple[int, int]]:
    """First step and step after the last of each episode, as D4RL's sequence_dataset walks through a file.

    With one difference: in files without timeouts its counter starts later episodes at one, which cuts them
    one step too early.
    """
    episodes, steps = [], []
    for step, terminal in enumerate(terminals):
        steps.append(step)
        final = timeouts[step] if timeouts is not None else len(steps) == longest
        if terminal or final:
            episodes.append((steps[0], steps[-1] + 1))
            steps = []
    return episodes


@given(
    flags=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
    longest=st.integers(1, 9),
    has_timeouts=st.booleans(),
)
def test_episodes_end_where_d4rl_ends_them(flags: list, longest: int, has_timeouts: bool) -> None:
    terminals, timeouts = np.array(flags).T
    given_timeouts = timeouts if has_timeouts else None
    ends = episode_ends(terminals, given_timeouts, longest).tolist()
    assert list(zip([0, *ends], ends, strict=False)) == as_d4rl(terminals, given_timeouts, longest)


def test_episodes_hold_the_files_values(tmp_path: Path) -> None:
    arrays = write_file(tmp_path / "external/toy/toy.hdf5", [0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0])
    recording = open_file(tmp_path)
    episodes = list(recording.episodes)
    assert [(len(episode), episode.terminated) for episode in episodes] == [(3, True), (2, False)]
    assert recording.steps == 5
    assert not recording.final_observations
    assert recording.origin["unfinished_steps_left_out"] == 2
    digest = hashlib.sha256((tmp_path / "external/toy/toy.hdf5").read_bytes()).hexdigest()
    assert recording.origin["sha256"] == digest
    for episode, rows in zip(episodes, (slice(0, 3), slice(3, 5)), strict=True):
        np.testing.assert_array_equal(episode.observations[:-1], arrays["observations"][rows])
        np.testing.assert_array_equal(episode.observations[-1], arrays["observations"][rows][-1])
        np.testing.assert_array_equal(episode.actions, arrays["actions"][rows])
        np.testing.assert_array_equal(episode.rewards, arrays["rewards"][rows])


def test_recorded_next_observations_end_the_episodes(tmp_path: Path) -> None:
    following = np.random.default_rng(1).normal(size=(4, 11))
    path = tmp_path / "external/toy/toy.hdf5"
    write_file(path, [0, 1, 0, 0], [0, 0, 0, 1], next_observations=following)
    recording = open_file(tmp_path)
    assert recording.final_observations
    final: list[Episode] = list(recording.episodes)
    np.testing.assert_array_equal([episode.observations[-1] for episode in final], following[[1, 3]])


def test_a_file_with_another_hash_is_refused(tmp_path: Path) -> None:
    write_file(tmp_path / "external/toy/toy.hdf5", [0, 1], None)
    with pytest.raises(UserError, match=r"tasks\.toy\.source\.sha256: .*bring the right file"):
        open_file(tmp_path, sha256="0" * 64)


def test_a_url_is_downloaded_once_and_checked(tmp_path: Path, http_folder: Any) -> None:
    write_file(http_folder.path / "far.hdf5", [0, 1], None)
    digest = hashlib.sha256((http_folder.path / "far.hdf5").read_bytes()).hexdigest()
    for _ in range(2):
        recording = open_file(tmp_path, file=f"{http_folder.url}/far.hdf5", sha256=digest)
        assert [len(episode) for episode in recording.episodes] == [2]
    assert http_folder.requests == ["/far.hdf5"]
    write_file(http_folder.path / "other" / "far.hdf5", [0, 0, 1], None)
    recording = open_file(tmp_path, file=f"{http_folder.url}/other/far.hdf5")
    assert [len(episode) for episode in recording.episodes] == [3]
    with pytest.raises(
        UserError, match=r"missing\.hdf5 could not be downloaded .*external/toy/missing\.hdf5"
    ):
        open_file(tmp_path, file=f"{http_folder.url}/missing.hdf5")
    assert [path.name for path in (tmp_path / "downloads").rglob("*.hdf5")] == ["far.hdf5"] * 2


@pytest.mark.parametrize("error", [OSError, RuntimeError, ValueError, MemoryError, AssertionError])
def test_whatever_hdf5_says_of_a_damaged_file_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    (tmp_path / "external/toy").mkdir(parents=True)
    write_file(tmp_path / "external/toy/toy.hdf5", [0, 1], None)

    def damaged(*_: Any) -> None:
        raise error("bad\nobject header")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", damaged)
    with pytest.raises(UserError, match=rf"toy\.hdf5: .*{error.__name__}: bad object header.*bring it again"):
        list(open_file(tmp_path).episodes)


def test_a_page_in_place_of_the_file_is_not_kept(
    tmp_path: Path, http_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path = Path()  # as the stage has it: data/, not an absolute path
    (http_folder.path / "far.hdf5").write_text("<html>maintenance</html>")
    with pytest.raises(UserError, match="not a readable HDF5 file"):
        open_file(tmp_path, file=f"{http_folder.url}/far.hdf5")
    write_file(http_folder.path / "far.hdf5", [0, 1], None)
    assert [len(e) for e in open_file(tmp_path, file=f"{http_folder.url}/far.hdf5").episodes] == [2]


def test_an_interrupted_download_is_tried_again(tmp_path: Path, http_folder: Any) -> None:
    write_file(http_folder.path / "far.hdf5", [0, 1], None)
    http_folder.cut = 1
    assert [len(e) for e in open_file(tmp_path, file=f"{http_folder.url}/far.hdf5").episodes] == [2]
    assert http_folder.requests == ["/far.hdf5"] * 2
