"""Films: poses read from observations, takes, and the command from end to end."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from project import ROOT
from seals import seal
from small_models import save_choices

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.filming import film as filming
from trajectory_diffuser.filming import filmstrip
from trajectory_diffuser.filming.film import CAPTION, HEIGHT, WIDTH
from trajectory_diffuser.filming.palette import reduced
from trajectory_diffuser.filming.picture import camera
from trajectory_diffuser.filming.poses import Poses
from trajectory_diffuser.filming.shooting import shoot
from trajectory_diffuser.filming.take import GHOSTS, Take, make_take, measured, recorded
from trajectory_diffuser.planning.choice import middle
from trajectory_diffuser.planning.planner import Planner

MODEL, TIMES = ROOT / "models/hopper-medium-expert", ROOT / "results/reference/five-seeds-intel/latency.csv"
SECONDS = pd.read_csv(TIMES).query("batch == 1").set_index("planner")["seconds_per_plan"]


def environment(identifier: str, keys: list[str] | None = None):
    entry = {"id": identifier, "arguments": {}, "max_episode_steps": 1000, "observation_keys": keys}
    return make_environment(entry)


@pytest.mark.parametrize("identifier", ["Hopper-v5", "HalfCheetah-v5", "Walker2d-v5", "Ant-v5", "Swimmer-v5"])
def test_poses_from_observations_are_the_environments_own(identifier: str):
    env = environment(identifier)
    env.action_space.seed(0)
    inner, poses = env.unwrapped, Poses(env)
    observations, truth = [env.reset(seed=0)[0]], [inner.data.qpos.copy()]
    for _ in range(16):
        observations.append(env.step(0.3 * env.action_space.sample())[0])
        truth.append(inner.data.qpos.copy())
    truth = np.array(truth)  # [T, nq]
    rebuilt = poses.of(np.array(observations), truth[0, : poses.hidden], inner.dt)
    np.testing.assert_allclose(rebuilt[:, poses.hidden :], truth[:, poses.hidden :])
    travelled = np.abs(np.diff(truth[:, : poses.hidden], axis=0)).sum(axis=0)
    error = np.abs(rebuilt - truth)[:, : poses.hidden].max(axis=0)
    assert (error < 0.1 * travelled).all(), (error, travelled)


@pytest.mark.parametrize(
    ("identifier", "keys"),
    [
        ("Pendulum-v1", None),
        ("InvertedDoublePendulum-v5", None),
        ("PointMaze_UMaze-v3", ["observation", "desired_goal"]),
    ],
)
def test_observations_without_a_pose_are_refused(identifier: str, keys: list[str] | None):
    with pytest.raises(UserError, match=f"{identifier}: its observations hold no MuJoCo pose"):
        Poses(environment(identifier, keys))


@pytest.mark.parametrize(
    ("identifier", "above"),
    [
        ("Swimmer-v5", True),
        ("Reacher-v5", True),
        ("Hopper-v5", False),
        ("HalfCheetah-v5", False),
        ("Walker2d-v5", False),
        ("Ant-v5", False),
        ("InvertedPendulum-v5", False),
        ("InvertedDoublePendulum-v5", False),
    ],
)
def test_the_camera_sees_the_whole_of_a_body_from_above_where_it_lies(identifier: str, above: bool):
    env = environment(identifier)
    env.reset(seed=0)
    model, data = env.unwrapped.model, env.unwrapped.data
    seen = camera(model, data)
    assert (seen.elevation == -90) == above
    shapes = np.flatnonzero(model.body_weldid[model.geom_bodyid])
    # Across the picture is x, up in it y or, from the side, nearly z.
    offset = np.abs(data.geom_xpos[shapes] - seen.lookat)[:, [0, 1 if above else 2]].max(axis=0)  # [2]
    half = seen.distance * np.tan(np.radians(model.vis.global_.fovy / 2)) * np.array([WIDTH / HEIGHT, 1])
    assert (offset < half).all() and (offset > 0.25 * half).any(), (offset, half)


@pytest.mark.parametrize(("decision", "steps"), [(0.002, 10), (0.02, 4), (0.2, 0)])
def test_a_step_lasts_as_long_as_its_decision_where_that_is_longer(decision: float, steps: int):
    take = Take("slow", decision, 0.008, np.zeros((11, 6)), np.zeros((10, GHOSTS, 6)), 1)
    assert take.step_at(0.09) == steps


def test_time_and_distance_of_a_body_are_shown_and_only_time_of_one_that_stays():
    poses = np.column_stack([3.0 * np.arange(11), 4.0 * np.arange(11), np.full(11, 9.0)])  # [T + 1, nq]
    shown = {
        places: Take("swims", 0.02, 0.05, poses, np.zeros((10, GHOSTS, 3)), places).reached_at(0.2)
        for places in (2, 1, 0)
    }
    assert shown == {2: "0.2 s, 20.0 m", 1: "0.2 s, 12.0 m", 0: "0.2 s"}


def test_a_take_shows_the_episode_and_what_was_planned_for_it():
    planner = Planner.load(MODEL, "ddim", runtime="torch")
    env = environment("Hopper-v5")
    take = make_take("ddim", planner, env, seed=3, seconds=0.4, decision_seconds=0.01)
    assert take.poses.shape == (41, 6) and take.plans.shape == (40, GHOSTS, 6)
    env.reset(seed=3)
    np.testing.assert_array_equal(take.poses[0], env.unwrapped.data.qpos)
    # 16 states planned: the ghosts are what is to be 5, 10 and 15 steps later, and roughly is.
    later = np.array([take.poses[5 + step : 16 + step : 5] for step in range(25)])  # [25, GHOSTS, nq]
    assert np.abs(take.plans[:25] - later).mean() < np.abs(take.plans[:25] - take.poses[:25, None]).mean() / 2
    again = make_take("ddim", planner, env, seed=3, seconds=0.02, decision_seconds=0.01)
    np.testing.assert_array_equal(again.poses, take.poses[:3])
    assert 0 < measured(planner, env.reset(seed=0)[0]) < 10


def test_times_of_a_report_are_the_planners():
    assert recorded(TIMES, MODEL.name, "full_diffusion") == pytest.approx(SECONDS["full_diffusion"])
    for file, planner in ((TIMES, "nobody"), (ROOT / "params.yaml", "ddim"), (ROOT / "absent.csv", "ddim")):
        with pytest.raises(UserError, match=f"{file.name}: no times of {planner} on hopper-medium-expert"):
            recorded(file, MODEL.name, planner)


@pytest.fixture
def project(tmp_path: Path) -> dict:
    """Parameters of a project in `tmp_path` that has the shipped Hopper's networks, tuned and timed."""
    params, run = yaml.safe_load((ROOT / "params.yaml").read_text()), tmp_path / "results/runs" / MODEL.name
    (run / "seed0/latency").mkdir(parents=True)
    (run / "seed0/latency/latency.csv").write_text(TIMES.read_text())
    seal(run / "seed0/latency/latency.csv")
    params["film"] |= {"planners": ["ddim", "draft"], "seconds": 0.2}
    params["run"]["device"] = "cpu"
    save_choices(run / "seed0", ["ddim", "draft"], middle(params["tune"]["grid"]))
    for network in ("transformer", "diffusion", "inverse_dynamics", "value"):
        (run / "seed0" / network).symlink_to(MODEL / network)
    return params


def stage(folder: Path, params: dict, **environment: str) -> dict:
    """What `film.json` says after the stage."""
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    command = [sys.executable, ROOT / "src/film.py", "--task", MODEL.name]
    done = subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    require_intact(folder / "results/runs" / MODEL.name / "film", "")
    return read_json(folder / "results/runs" / MODEL.name / "film" / "film.json")


def test_damaged_times_are_named_with_what_makes_them_again(
    tmp_path: Path, project: dict, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    file = Path("results/runs") / MODEL.name / "seed0/latency/latency.csv"
    file.write_text(file.read_text().replace("0.0", "0.1"))
    command = f"python src/measure_latency.py --task {MODEL.name} --seed 0"
    with pytest.raises(UserError, match=f"{file}.*{command}"):
        shoot(project, MODEL.name, tmp_path)


def test_planners_that_are_not_run_are_not_filmed(tmp_path: Path, project: dict):
    project["run"]["planners"] = ["draft", "trajectory_diffuser"]
    project["evaluate_training"]["planners"] = []
    record = stage(tmp_path, project)
    if "cannot render" in record.get("left_out", ""):
        pytest.skip(record["left_out"])
    assert record["planners"] == ["draft"]
    project["run"]["planners"] = ["trajectory_diffuser"]
    assert stage(tmp_path, project)["left_out"] == "no planner of the run is among film.planners"


def test_the_stage_writes_a_film_and_a_strip_on_white(tmp_path: Path, project: dict):
    record, folder = stage(tmp_path, project), tmp_path / "results/runs" / MODEL.name / "film"
    if "cannot render" in record.get("left_out", ""):
        pytest.skip(record["left_out"])
    assert (record["task"], record["planners"], record["seed"]) == (MODEL.name, ["ddim", "draft"], 0)
    with Image.open(folder / "film.gif") as image:
        assert image.n_frames == 3 and image.size == (2 * WIDTH, CAPTION + HEIGHT)
    with Image.open(folder / "filmstrip.png") as image:
        assert "transparency" not in image.info
        strip = np.asarray(image.convert("RGB"), float)
    assert (strip[0, 0] == 255).all() and (strip[-1, -1] > 200).all()
    for row in np.split(strip[filmstrip.HEAD :], 2):
        for picture in np.split(row[filmstrip.LABEL :], filmstrip.MOMENTS, axis=1):
            body, ghosts = (sign * (picture[..., 0] - picture[..., 2]) > 40 for sign in (1, -1))
            assert body.sum() > 200 and ghosts.sum() > 20
            assert (picture[:20] == 255).all()  # a white sky
    assert (strip[:, : filmstrip.WIDTH] != strip[:, -filmstrip.WIDTH :]).any()


def test_where_nothing_renders_the_stage_leaves_a_note(tmp_path: Path, project: dict):
    note = stage(tmp_path, project, MUJOCO_GL="none-such")["left_out"]
    assert note.startswith("MuJoCo cannot render here") and "apt install libegl1" in note
    assert len(list((tmp_path / "results/runs" / MODEL.name / "film").iterdir())) == 2  # and its manifest


def test_where_observations_hold_no_pose_the_stage_leaves_a_note(tmp_path: Path, project: dict):
    project["tasks"][MODEL.name]["environment"]["id"] = "InvertedDoublePendulum-v5"
    note = stage(tmp_path, project)["left_out"]
    assert "hold no MuJoCo pose" in note or "cannot render" in note


def test_what_most_pixels_have_keeps_its_colour_when_there_are_few():
    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (3, 40, 40, 3)).astype(np.uint8)
    pictures[:, :20], pictures[:, 20:30] = 255, (229, 229, 229)
    few = reduced([Image.fromarray(each) for each in pictures], 8)
    colours = {tuple(pixel) for each in few for pixel in np.asarray(each.convert("RGB")).reshape(-1, 3)}
    assert len(colours) <= 8
    for each in few:
        kept = np.asarray(each.convert("RGB"))
        assert (kept[:20] == 255).all() and (kept[20:30] == 229).all() and len(each.getcolors()) > 4


def test_a_film_that_would_be_too_large_has_fewer_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    noise = np.random.default_rng(0).integers(0, 255, (16, 40, 40), np.uint8)
    frames, file = [Image.fromarray(each).convert("P") for each in noise], tmp_path / "film.gif"
    sizes = {}
    for most in (10**6, 12_000, 1):
        monkeypatch.setattr(filming, "MOST_BYTES", most)
        filming.save_film(frames, file)
        with Image.open(file) as image:
            sizes[most] = image.n_frames, image.info["duration"], file.stat().st_size
    assert sizes[10**6][:2] == (16, 80) and sizes[1][0] == 1
    assert sizes[12_000][:2] == (4, 320) and sizes[12_000][2] <= 12_000


def film(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own: MuJoCo's renderer is chosen when it is imported."""
    command = [sys.executable, ROOT / "workflow/scripts/film.py", "--run", MODEL, *arguments]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


def test_a_film_has_frames_with_a_body_in_each_panel(tmp_path: Path):
    out, strip = tmp_path / "film.gif", tmp_path / "strip.png"
    done = film(
        "--planners",
        "ddim",
        "draft",
        "--seconds",
        "0.2",
        "--times",
        str(TIMES),
        "--out",
        str(out),
        "--strip",
        str(strip),
    )
    if "MuJoCo cannot render here" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert f"ddim: {1e3 * SECONDS['ddim']:.1f} ms per decision" in done.stdout
    with Image.open(strip) as image:
        assert image.width == filmstrip.MOMENTS * filmstrip.WIDTH
    with Image.open(out) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGB"), float))
    assert len(frames) == 3 and not np.array_equal(frames[0], frames[-1])
    for panel in np.split(frames[-1], 2, axis=1):
        body = panel[50:, :, 0] - panel[50:, :, 2] > 40  # reddish, below the caption
        ghosts = panel[50:, :, 2] - panel[50:, :, 0] > 20
        assert body.sum() > 200 and ghosts.sum() > 200


def test_where_nothing_renders_one_line_says_what_to_install(tmp_path: Path):
    done = film("--planners", "ddim", "--out", str(tmp_path / "film.gif"), MUJOCO_GL="none-such")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: MuJoCo cannot render here (RuntimeError: ")
    assert "apt install libegl1" in done.stderr
    assert list(tmp_path.iterdir()) == []
