import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from seals import seal
from small_models import STATE, history, make_models, make_planner, plan_from, save_models

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.planning.models import PlanningModels

MODELS = ["transformer", "diffusion", "inverse_dynamics", "value"]


@pytest.fixture
def run(tmp_path):
    directory = tmp_path / "task" / "seed4"
    save_models(directory, make_models())
    return directory


def again(name):
    return rf"python src/train_{name}\.py --task task --seed 4"


def load(run):
    return PlanningModels.load(run, torch.device("cpu"))


def test_loaded_models_plan_as_the_saved_ones(run):
    loaded, saved = load(run), make_models()
    for name in ("task", "environment", "horizon", "history", "stride", "return_scale", "best_return"):
        assert getattr(loaded, name) == getattr(saved, name)
    np.testing.assert_array_equal(loaded.action_bounds, saved.action_bounds)
    assert loaded.action_bounds.dtype == np.float32  # so that clipped actions are
    ours, theirs = (plan_from(make_planner(each), *history()) for each in (loaded, saved))
    assert torch.equal(ours.states, theirs.states)
    assert torch.equal(ours.action, theirs.action)
    state, action = torch.ones(1, STATE), torch.ones(1, 2)
    assert torch.equal(loaded.value(state, action), saved.value(state, action))


def test_all_networks_are_taken_at_the_same_share_of_their_training(run):
    early = make_models(seed=1)
    for name in MODELS:
        network = early.diffusion.network if name == "diffusion" else getattr(early, name)
        save_file(network.state_dict(), run / name / "model_after_0.25.safetensors")
        seal(run / name / "model_after_0.25.safetensors")
    loaded = PlanningModels.load(run, torch.device("cpu"), 0.25)
    assert torch.equal(*(plan_from(make_planner(each), *history()).states for each in (loaded, early)))
    assert not torch.equal(
        *(plan_from(make_planner(each), *history()).states for each in (loaded, load(run)))
    )


def test_weights_that_were_not_kept_are_named(run):
    with pytest.raises(UserError, match=r"model_after_0\.3\.safetensors: cannot be loaded .*train it again"):
        PlanningModels.load(run, torch.device("cpu"), 0.3)


def test_loaded_models_are_for_use_and_not_for_training(run):
    models = load(run)
    for name in MODELS:
        assert not getattr(models, name).training
        assert not any(parameter.requires_grad for parameter in getattr(models, name).parameters())


@pytest.mark.parametrize("name", MODELS)
def test_a_missing_model_says_which_stage_to_run(run, name):
    shutil.rmtree(run / name)
    with pytest.raises(UserError, match=rf"{name}: no trained model there; run first: {again(name)}"):
        load(run)


def test_a_missing_model_of_those_that_are_shipped_comes_back_from_git(run, tmp_path):
    shipped = tmp_path / "models/hopper"
    shutil.copytree(run, shipped)
    shutil.rmtree(shipped / "value")
    with pytest.raises(
        UserError, match=r"value: no trained model there; run first: git restore \S*hopper/value"
    ):
        PlanningModels.load(shipped, torch.device("cpu"))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("damage", ["missing", "damaged"])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_as_it_was_written_is_named(run, name, file, damage):
    path = run / name / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if damage == "missing" else path.write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}/{file}: {damage}.*; run: {again(name)}$"):
        load(run)


@pytest.mark.parametrize("name", MODELS)
def test_weights_of_another_network_are_named(run, name):
    file = run / name / "model.safetensors"
    other = "value" if name == "inverse_dynamics" else "inverse_dynamics"
    file.write_bytes((run / other / "model.safetensors").read_bytes())
    seal(file)
    with pytest.raises(
        UserError, match=rf"{name}/model\.safetensors: cannot be loaded .*train it again"
    ) as caught:
        load(run)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_models_of_another_task_than_the_others_are_refused(run, name):
    edit(run, name, lambda config: config.update(task="elsewhere"))
    with pytest.raises(
        UserError, match=r"config\.json: task is .*train them again with the same data and params\.yaml"
    ):
        load(run)


@pytest.mark.parametrize("key", ["horizon", "return_scale"])
def test_models_of_other_settings_than_the_others_are_refused(run, key):
    edit(run, "diffusion", lambda config: config["task_settings"].update({key: 99}))
    with pytest.raises(
        UserError, match=rf"diffusion/config\.json: {key} is 99, but [\d.]+ for another model"
    ):
        load(run)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_data_of_another_size_is_refused(run, name):
    edit(run, name, lambda config: config["model"].update(state_size=5))
    with pytest.raises(UserError, match=rf"{name}/model\.safetensors: cannot be loaded .*; train it again"):
        load(run)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_an_earlier_version_is_refused(run, name):
    edit(run, name, lambda config: config.pop("action_bounds"))
    with pytest.raises(
        UserError, match=rf"{name}/config\.json: no action_bounds in it; train the model again"
    ):
        load(run)


def test_models_of_another_environment_than_the_others_are_refused(run):
    edit(run, "value", lambda config: config["environment"].update(id="Other-v0"))
    with pytest.raises(UserError, match=r"value/config\.json: environment is .*Other.*train them again"):
        load(run)


def test_models_of_environments_with_other_actions_are_refused(run):
    edit(run, "value", lambda config: config["action_bounds"][0].__setitem__(0, -0.5))
    with pytest.raises(UserError, match=r"value/config\.json: action_bounds is .*, but .*train them again"):
        load(run)


@pytest.mark.parametrize("name", MODELS[1:])
def test_models_of_other_data_than_the_others_are_refused(run, name):
    edit(run, name, lambda config: config["normaliser"]["mean"].__setitem__(0, 0.5))
    with pytest.raises(UserError, match=rf"{name}/config\.json: the data it was trained on has another mean"):
        load(run)


def test_a_loaded_denoiser_has_the_bounds_of_the_data(run):
    bounds = load(run).diffusion
    np.testing.assert_allclose(bounds.minimum, [-1e6] * STATE)
    np.testing.assert_allclose(bounds.maximum, [1e6] * STATE)


def edit(run, name, change):
    config = read_json(run / name / "config.json")
    change(config)
    write_json(run / name / "config.json", config)
    seal(run / name / "config.json")


def test_untrained_networks_fit_each_other_and_plan():
    sizes = {"state_size": STATE, "action_size": 2, "context": 12}
    settings = {
        "transformer": sizes | {"width": 8, "layers": 1, "heads": 2, "dropout": 0.5, "steps": 3},
        "diffusion": sizes
        | {"base_width": 8, "channel_multipliers": [1, 2]}
        | {"schedule": "linear", "diffusion_steps": 7, "prediction": "epsilon"},
        "inverse_dynamics": sizes | {"width": 8, "layers": 1},
        "value": sizes | {"width": 8, "layers": 2},
    }
    units = {
        key: getattr(make_models(), key) for key in ("normaliser", "action_bounds", "task", "environment")
    }
    models = PlanningModels.build(
        settings,
        torch.device("cpu"),
        **units,
        horizon=8,
        history=4,
        stride=1,
        return_scale=2.0,
        best_return=9.0,
    )
    assert (models.diffusion.diffusion_steps, models.diffusion.prediction) == (7, "epsilon")
    assert models.transformer.context == 12
    assert (models.horizon, models.history, models.return_scale) == (8, 4, 2.0)
    assert not any(getattr(models, name).training for name in MODELS)
    assert plan_from(make_planner(models), *history()).states.shape == (2, 8, STATE)
