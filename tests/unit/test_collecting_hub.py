"""Minari datasets by id, over real HTTP: Minari as it is, against a hub on loopback."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minari
import numpy as np
import pytest
from hub_server import Hub
from minari.data_collector import EpisodeBuffer
from test_collecting_fetching import HOPPER, SCORES, SETTINGS

from trajectory_diffuser.collecting.minari_store import RawDataset, minari_root
from trajectory_diffuser.environments.environment import make_environment

DATASET = "D4RL/toy/human-v2"
EPISODES, STEPS = 40, 4000  # more than the 10 MB that huggingface_hub writes at a time
PROGRAM = """
import json, sys
from pathlib import Path
from trajectory_diffuser.common.stage import ending_with_one_line
from trajectory_diffuser.collecting.fetching import fetch
entry, settings, data = map(json.loads, sys.argv[1:])
with ending_with_one_line():
    fetch("toy", entry, settings, Path(data), Path(data, "raw"))
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one dataset, laid out as on the hub."""
    folder, generator = tmp_path_factory.mktemp("hub"), np.random.default_rng(0)
    environment = make_environment(HOPPER)
    buffers = [
        EpisodeBuffer(
            id=index,
            observations=generator.normal(size=(STEPS + 1, 11)),
            actions=generator.uniform(-1, 1, size=(STEPS, 3)).astype(np.float32),
            rewards=generator.normal(size=STEPS),
            terminations=np.zeros(STEPS, bool),
            truncations=np.arange(STEPS) == STEPS - 1,
        )
        for index in range(EPISODES)
    ]
    with minari_root(folder), pytest.warns(UserWarning):
        minari.create_dataset_from_buffers(DATASET, buffers, env=environment, algorithm_name="people")
    for name, content in {
        "D4RL": {"datasets": [DATASET], "namespaces": ["D4RL/toy"]},
        "D4RL/toy": {},
    }.items():
        (folder / name / "namespace_metadata.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def hub(published: Path) -> Iterator[Hub]:
    with Hub(published) as server:
        yield server


def fetch_from(
    hub: Hub | dict[str, str], folder: Path, dataset: str = DATASET
) -> subprocess.CompletedProcess[str]:
    """Fetch in a process of its own that knows no other hub and no other user's folders."""
    source = {"kind": "minari", "dataset": dataset, "clip_actions": False, "licence": "none"}
    entry = {"environment": HOPPER, "source": source, "reference_scores": SCORES}
    arguments = [json.dumps(value) for value in (entry, SETTINGS, str(folder / "data"))]
    environment = {
        "PATH": "",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "HOME": str(folder),
        "HF_HOME": str(folder / "hugging_face"),
        "MINARI_DATASETS_PATH": str(folder / "minari"),
    }
    environment |= hub.environment if isinstance(hub, Hub) else hub
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def assert_fetched(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert done.returncode == 0, done.stderr
    raw = RawDataset(folder / "data" / "raw", "toy")
    assert (len(raw), raw.steps) == (EPISODES, STEPS * EPISODES)
    assert raw.collection["algorithm"] == "people"
    assert raw.collection["origin"]["environment"] == "Hopper-v5"


def assert_refused(done: subprocess.CompletedProcess[str], folder: Path, *words: str) -> None:
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("error: params.yaml: tasks.toy.source.dataset: "), done.stderr
    assert all(word in last for word in words), last
    assert not (folder / "data" / "raw").exists()


def data_ranges(hub: Hub) -> list[str | None]:
    """The Range header of every download of the data file."""
    return [
        ranges for method, path, ranges in hub.requests if method == "GET" and path.endswith("main_data.hdf5")
    ]


def test_a_dataset_is_downloaded_once(hub: Hub, tmp_path: Path) -> None:
    assert_fetched(fetch_from(hub, tmp_path), tmp_path)
    asked = len(hub.requests)
    assert_fetched(fetch_from(hub, tmp_path), tmp_path)
    assert len(hub.requests) == asked


def test_a_dataset_in_the_users_minari_folder_needs_no_hub(published: Path, tmp_path: Path) -> None:
    (tmp_path / "minari").symlink_to(published)
    assert_fetched(fetch_from({"HF_ENDPOINT": "http://127.0.0.1:9"}, tmp_path), tmp_path)


def test_an_interrupted_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after = 12_000_000
    assert_fetched(fetch_from(hub, tmp_path), tmp_path)
    first, *later = data_ranges(hub)
    assert first is None
    assert later and all(ranges.startswith("bytes=1") for ranges in later)


@pytest.mark.parametrize("busy", ["GET .*/api/datasets$", "GET .*/revision/", "GET .*main_data"])
def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path, busy: str) -> None:
    hub.fail, hub.fail_on = 1, busy
    assert_fetched(fetch_from(hub, tmp_path), tmp_path)
    assert hub.fail == 0


def test_a_killed_download_is_completed(hub: Hub, tmp_path: Path) -> None:
    left = tmp_path / "data/downloads/toy" / DATASET / "data"
    left.mkdir(parents=True)
    shutil.copy(hub.folder / DATASET / "data" / "metadata.json", left)
    assert_fetched(fetch_from(hub, tmp_path), tmp_path)


def test_damage_on_the_way_is_found_and_a_retry_works(hub: Hub, tmp_path: Path) -> None:
    hub.corrupt = True
    assert_refused(
        fetch_from(hub, tmp_path), tmp_path, DATASET, "main_data.hdf5 was damaged on the way", "try again"
    )
    hub.corrupt = False
    assert_fetched(fetch_from(hub, tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("dataset", "there"),
    [
        ("D4RL/toy/human-v3", f"there is {DATASET}"),
        ("D4RL/toy/robot-v0", "nothing of that name; see minari list remote"),
        ("nobody/toy-v0", "nothing of that name; see minari list remote"),
    ],
)
def test_an_unknown_id_is_no_network_failure(hub: Hub, tmp_path: Path, dataset: str, there: str) -> None:
    assert_refused(fetch_from(hub, tmp_path, dataset), tmp_path, f"{dataset!r} is not on the hub", there)


def test_without_a_network_the_message_says_how_to_bring_the_data(tmp_path: Path) -> None:
    offline: dict[str, Any] = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    done = fetch_from(offline, tmp_path)
    assert_refused(done, tmp_path, f"minari download {DATASET}", str(tmp_path / "minari" / DATASET))
