"""A planner on the hub: what is pushed is what comes back, in a process of its own with an empty cache."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_server import OWNER, TOKEN, Hub
from project import ROOT
from seals import seal_all

from trajectory_diffuser import Planner
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json, write_json

MODEL = ROOT / "models/hopper-medium-expert"
NAME = f"{OWNER}/mine"
GIVEN = {"target_return": 1234.5, "guidance": 1.25}
PUSH = f"""
planner = Planner.load({str(MODEL)!r}, "ddim", seed=3, **{GIVEN})
print(planner.push_to_hub({NAME!r}))
"""
LOAD = f"""
planner = Planner.from_pretrained({NAME!r}, seed=3)
plans = [planner.plan(np.full(11, 0.1 * step), 1.0 if step else None) for step in range(3)]
np.save("plans.npy", plans)
"""


def plans_of(planner: Planner) -> np.ndarray:
    """The states of three plans in a row [3, H, obs]; as in LOAD."""
    return np.stack([planner.plan(np.full(11, 0.1 * step), 1.0 if step else None) for step in range(3)])


def process(code: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run in a process that knows no other hub, and a cache of its own; a `UserError` is one line."""
    folder.mkdir(exist_ok=True)
    head = "import numpy as np\nfrom trajectory_diffuser import Planner\n"
    head += "from trajectory_diffuser.common.stage import ending_with_one_line\n"
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    own = {"HF_HOME": str(folder / "cache"), "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, "-c", f"{head}with ending_with_one_line():\n{body}"],
        cwd=folder,
        env=os.environ | environment | own,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub to which a planner was pushed."""
    with Hub(tmp_path_factory.mktemp("hub")) as server:
        pushing = tmp_path_factory.mktemp("pushing")
        done = process(PUSH, pushing, server.environment | {"HF_TOKEN": TOKEN})
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"{server.environment['HF_ENDPOINT']}/{NAME}/commit/")
        yield server


def test_what_is_pushed_plans_the_same_to_the_bit_once_it_is_loaded(hub: Hub, tmp_path: Path):
    done = process(LOAD, tmp_path, hub.environment)
    assert done.returncode == 0, done.stderr
    expected = plans_of(Planner.load(MODEL, "ddim", seed=3, **GIVEN))
    np.testing.assert_array_equal(np.load(tmp_path / "plans.npy"), expected)
    assert not np.array_equal(expected, plans_of(Planner.load(MODEL, "ddim", seed=3)))


def test_what_the_docs_do_is_done(hub: Hub, tmp_path: Path):
    page = (ROOT / "docs/planners.md").read_text()
    (block,) = re.findall(r"^```python\n(planner = .*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    code = block.replace("user/name", f"{OWNER}/docs").replace("models/", f"{ROOT}/models/")
    done = process(f"{code}print(planner.units.task)", tmp_path, hub.environment | {"HF_TOKEN": TOKEN})
    assert done.stdout == "maze-medium\n", done.stderr


def test_nothing_is_pickled_and_the_layout_is_that_of_a_shipped_model(hub: Hub):
    pushed = hub.folder / "mine"
    files = {path.relative_to(pushed).as_posix() for path in pushed.rglob("*") if path.is_file()}
    shipped = {path.relative_to(MODEL).as_posix() for path in MODEL.rglob("*") if path.is_file()}
    assert files == shipped | {"config.json", "manifest.json"}
    for file in shipped:
        assert (pushed / file).read_bytes() == (MODEL / file).read_bytes(), file
    for file in pushed.rglob("*.npz"):
        np.load(file, allow_pickle=False)["plan"]


def test_a_model_that_is_not_there_is_one_line(hub: Hub, tmp_path: Path):
    done = process(LOAD.replace(NAME, f"{OWNER}/yours"), tmp_path, hub.environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"error: {OWNER}/yours: no folder here and no model on the hub, or a private one: check the name, "
        "or give a token"
    )


def test_a_file_that_is_damaged_on_the_hub_is_named(hub: Hub, tmp_path: Path):
    file = "diffusion/config.json"
    path = hub.folder / "mine" / file
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"1", b"2"))
    done = process(LOAD, tmp_path, hub.environment)
    path.write_bytes(whole)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"{file}: damaged, it is not what was written; run: from_pretrained('{NAME}', force" in last


def test_damage_on_the_way_is_found_and_another_download_helps(hub: Hub, tmp_path: Path):
    hub.corrupt = True
    done = process(LOAD, tmp_path, hub.environment)
    hub.corrupt = False
    assert done.returncode == 1
    assert "model.safetensors: damaged, it is not what was written" in done.stderr.splitlines()[-1]
    again = LOAD.replace("seed=3", "seed=3, force_download=True")
    assert process(again, tmp_path, hub.environment).returncode == 0


def test_a_config_that_is_no_json_is_one_line(hub: Hub, tmp_path: Path):
    path = hub.folder / "mine/config.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    done = process(LOAD, tmp_path, hub.environment)
    path.write_bytes(whole)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"error: {NAME}: cannot be loaded (JSONDecodeError: ")


def test_another_projects_model_is_refused_before_it_is_downloaded(hub: Hub, tmp_path: Path):
    (hub.folder / "other").mkdir(exist_ok=True)
    write_json(hub.folder / "other/config.json", {"architectures": ["Bert"], "temperature": 1.0})
    (hub.folder / "other/large.safetensors").write_bytes(b"large")
    done = process(LOAD.replace(NAME, f"{OWNER}/other"), tmp_path, hub.environment)
    assert done.stderr.splitlines()[-1] == (
        f"error: {OWNER}/other: another project's model, config.json names no planner; check the name"
    )
    assert not any("large" in path for _, path, _ in hub.requests)


def test_without_a_hub_or_a_token_the_error_is_one_line(hub: Hub, tmp_path: Path):
    nowhere = hub.environment | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    for code, environment, says in (
        (LOAD.replace("seed=3", "local_files_only=True"), nowhere, f"error: {NAME}: cannot be loaded ("),
        (PUSH, nowhere | {"HF_TOKEN": TOKEN}, f"error: {NAME}: cannot be pushed ("),
        (PUSH, hub.environment, f"error: {NAME}: cannot be pushed ("),
    ):
        done = process(code, tmp_path, environment)
        assert done.returncode == 1, done.stdout
        assert done.stderr.splitlines()[-1].startswith(says), done.stderr


def test_a_saved_folder_is_read_by_load_and_from_pretrained(tmp_path: Path):
    original = Planner.load(MODEL, "warm_start", guidance=2.5)
    original.save_pretrained(tmp_path / "saved")
    for planner in (
        Planner.from_pretrained(tmp_path / "saved"),
        Planner.load(tmp_path / "saved", "warm_start", guidance=2.5),
    ):
        np.testing.assert_array_equal(plans_of(planner), plans_of(original))
        original.reset(0)
    other = Planner.from_pretrained(tmp_path / "saved", planner="draft")
    assert other.trajectory_planner.settings == Planner.load(MODEL, "draft").trajectory_planner.settings
    shipped = Planner.from_pretrained(MODEL)
    assert shipped.trajectory_planner.settings == Planner.load(MODEL).trajectory_planner.settings


def test_a_row_of_the_parameters_is_saved_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    original = Planner.load(MODEL, "four_actions")
    original.save_pretrained(tmp_path / "saved")
    monkeypatch.chdir(tmp_path)
    for planner in (Planner.from_pretrained("saved"), Planner.load("saved", "four_actions")):
        assert planner.trajectory_planner.settings == original.trajectory_planner.settings
        assert planner.target_return == original.target_return
    write_json(
        tmp_path / "saved/config.json", read_json(tmp_path / "saved/config.json") | {"values": {"x": 1}}
    )
    with pytest.raises(UserError, match=r"saved/config\.json: damaged"):
        Planner.from_pretrained("saved")


def test_what_has_no_card_gets_one(tmp_path: Path):
    Planner.load(MODEL, "ddim").save_pretrained(tmp_path / "first")
    (tmp_path / "first/README.md").unlink()
    Planner.load(tmp_path / "first", "ddim").save_pretrained(tmp_path / "second")
    card = (tmp_path / "second/README.md").read_text()
    assert card.startswith("---\nlibrary_name: trajectory-diffuser\npipeline_tag: reinforcement-learning\n")
    assert "`Hopper-v5`, and the planner `ddim`" in card
    assert "`ddim`, `ddim_20`, `draft`" in card


def test_nothing_is_overwritten_and_nothing_else_is_saved(tmp_path: Path):
    planner = Planner.load(MODEL, "ddim")
    planner.save_pretrained(tmp_path / "saved")
    with pytest.raises(UserError, match="saved: holds something already; name a new folder"):
        planner.save_pretrained(tmp_path / "saved")
    made = Planner(planner.trajectory_planner, 1.0, 0)
    with pytest.raises(UserError, match="only a planner from `load` or `from_pretrained`"):
        made.save_pretrained(tmp_path / "other")
    copy = Planner.load(tmp_path / "saved", "ddim")
    config = tmp_path / "saved/value/config.json"
    config.write_text(json.dumps(read_json(config) | {"more": 1}))
    with pytest.raises(UserError, match=r"value/config\.json: damaged"):
        copy.save_pretrained(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    seal_all(tmp_path / "saved/value")
    with pytest.raises(UserError, match="value: written anew since this planner was loaded; load it again"):
        copy.save_pretrained(tmp_path / "other")


@pytest.mark.parametrize("name", ["no/such/folder", "a b"])
def test_a_name_of_neither_a_folder_nor_a_model_is_refused(name: str):
    with pytest.raises(UserError, match=f"{name}: no folder here, and on the hub a name is user/name"):
        Planner.from_pretrained(name)
