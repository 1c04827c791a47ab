"""A planner that is loaded: as it was evaluated, as the parameters have it, as the caller wants it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from seals import seal
from small_models import (
    ACTION,
    HORIZON,
    ROW,
    STATE,
    make_models,
    make_planner,
    save_models,
)

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.datasets.normaliser import Normaliser
from trajectory_diffuser.planning.choice import middle, settled
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.planning.settings import PlannerSettings

TARGET, SCALE, TASK = 50.0, 10.0, "maze-umaze"
PARAMS = Path(__file__).parents[2] / "params.yaml"
NORMALISER = Normaliser(*(np.array(row, np.float32) for row in ([1, 2, 3], [2, 4, 8], [0, 0, 0], [9, 9, 9])))


@pytest.fixture
def run(tmp_path):
    """A run directory with one evaluated planner."""
    save_models(tmp_path, make_models(task=TASK, best_return=TARGET / 2))
    record = {"planner_row": ROW | {"guidance": "tuned", "target_return": "tuned"}, "precision": "float32"}
    record["values"] = {"guidance": 1.5, "temperature": 0.3, "target_return": 2.0}
    (tmp_path / "evaluation" / "mine").mkdir(parents=True)
    write_json(tmp_path / "evaluation" / "mine" / "evaluation.json", record)
    seal(tmp_path / "evaluation" / "mine" / "evaluation.json")
    return tmp_path


@pytest.mark.parametrize(("runtime", "tolerance"), [("torch", 0.0), ("openvino", 1e-4), ("auto", 1e-4)])
def test_a_loaded_planner_plans_as_the_evaluated_one(run, runtime, tolerance):
    observations = np.random.default_rng(0).normal(size=(3, STATE))
    ours = Planner.load(run, "mine", seed=5, runtime=runtime)
    theirs = Planner(make_planner(guidance=1.5), TARGET, seed=5)
    for step in range(6):
        reward = None if step == 0 else 1.0
        action = theirs.act(observations, reward)
        np.testing.assert_allclose(ours.act(observations, reward), action, atol=tolerance, rtol=0)


def test_the_precision_is_the_evaluations_and_the_runtime_the_callers(run):
    edit_record(run, precision="bfloat16")
    planner = Planner.load(run, "mine", runtime="torch")
    assert planner.trajectory_planner.runtime.precision == "bfloat16"
    assert planner.trajectory_planner.runtime.name == "torch"
    assert Planner.load(run, "mine").trajectory_planner.runtime.name == "openvino"


def edit_record(run, **changes):
    file = run / "evaluation" / "mine" / "evaluation.json"
    write_json(file, read_json(file) | changes)
    seal(file)


@pytest.mark.parametrize(("asked", "expected"), [({}, TARGET), ({"target_return": 20.0}, 20.0)])
def test_the_target_return_is_the_evaluations_or_the_callers(run, asked, expected):
    planner = Planner.load(run, "mine", **asked)
    for begins in ("at first", "after a reset"):
        planner.act(np.ones(STATE))
        assert planner.memory.tokens[0, -1, -1] == pytest.approx(expected / SCALE), begins
        planner.act(np.ones(STATE), 1.0)
        assert planner.memory.tokens[0, -1, -1] == pytest.approx((expected - 1) / SCALE)
        planner.reset()


@pytest.mark.parametrize("of_row", ["tuned", 1.1])
@pytest.mark.parametrize("asked", [None, 0.0, 2.5])
def test_the_guidance_is_the_rows_or_the_callers(run, of_row, asked):
    edit_record(run, planner_row=ROW | {"guidance": of_row})
    guidance = Planner.load(run, "mine", guidance=asked).trajectory_planner.settings.guidance
    assert guidance == (asked if asked is not None else {"tuned": 1.5}.get(of_row, of_row))


def test_a_row_that_was_not_evaluated_is_taken_from_the_parameters(run, tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(PARAMS, folder / "params.yaml")
    monkeypatch.chdir(folder)
    params = load_params()
    row, values = params["planners"]["ddim"], middle(params["tune"]["grid"])
    planner = Planner.load(run, "ddim", seed=5)
    assert planner.target_return == values["target_return"] * TARGET / 2
    assert planner.trajectory_planner.settings == PlannerSettings.from_row(settled(row, values), 10)
    assert planner.trajectory_planner.runtime.precision == params["planning"]["precision"]
    assert planner.act(np.ones((2, STATE))).shape == (2, ACTION)
    # What was chosen in tuning comes before that.
    chosen = {"guidance": 4.5, "temperature": 0.1, "target_return": 1.5}
    tuning = run / "tuning" / "ddim"
    tuning.mkdir(parents=True)
    write_json(tuning / "choice.json", {"values": chosen})
    seal(tuning / "choice.json")
    planner = Planner.load(run, "ddim")
    assert planner.target_return == 1.5 * TARGET / 2
    assert planner.trajectory_planner.settings == PlannerSettings.from_row(settled(row, chosen), 10)
    # What was evaluated is what its own record says, whatever the parameters have become.
    (run / "evaluation" / "mine").rename(run / "evaluation" / "ddim")
    assert Planner.load(run, "ddim").target_return == TARGET


def test_one_environment_is_a_vector_of_one(run):
    observation = np.random.default_rng(0).normal(size=STATE)
    single, vector = Planner.load(run, "mine"), Planner.load(run, "mine")
    for reward in (None, 2.0):
        action = single.act(observation, reward)
        assert action.shape == (ACTION,)
        batch = vector.act(observation[None], None if reward is None else np.array([reward]))
        np.testing.assert_array_equal(action, batch[0])


def test_a_plan_begins_with_the_observation_and_is_in_its_units(run):
    planner = Planner.load(run, "mine", seed=3)
    planner.trajectory_planner.models.normaliser = NORMALISER
    observation = np.array([1.5, 2.5, 3.5])
    states = planner.plan(observation)
    assert states.shape == (HORIZON, STATE)
    np.testing.assert_allclose(states[0], observation, atol=1e-5)
    planner.reset(seed=3)
    np.testing.assert_array_equal(planner.plan(observation), states)


def test_a_planner_that_is_not_known_is_named_with_those_that_are(run, tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    message = rf"planner 'yours' of {TASK}: neither evaluated in .*evaluation nor in \./params\.yaml; "
    with pytest.raises(UserError, match=message + "there are: mine$"):
        Planner.load(run, "yours")
    shutil.copy(PARAMS, "params.yaml")
    with pytest.raises(UserError, match=message + "there are: .*ddim, .*mine, .*warm_start_20$"):
        Planner.load(run, "yours")


def test_the_rows_of_parameters_without_the_task_are_not_known(run, monkeypatch):
    for model in ("transformer", "diffusion", "inverse_dynamics", "value"):
        file = run / model / "config.json"
        write_json(file, read_json(file) | {"task": "another"})
        seal(file)
    monkeypatch.chdir(PARAMS.parent)
    with pytest.raises(UserError, match=r"planner 'ddim' of another: .*there are: mine$"):
        Planner.load(run, "ddim")
