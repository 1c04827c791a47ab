import numpy as np
import pytest
import torch
from small_models import STATE, history, make_models, make_planner, save_models

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.planning.models import PlanningModels

MODELS = ["transformer", "diffusion", "inverse_dynamics", "value"]


@pytest.fixture
def run(tmp_path):
    save_models(tmp_path, make_models())
    return tmp_path


def load(run):
    return PlanningModels.load(run, torch.device("cpu"))


def test_loaded_models_plan_as_the_saved_ones(run):
    loaded, saved = load(run), make_models()
    assert (loaded.horizon, loaded.history, loaded.return_scale) == (
        saved.horizon,
        saved.history,
        saved.return_scale,
    )
    ours, theirs = make_planner(loaded).plan(*history()), make_planner(saved).plan(*history())
    assert torch.equal(ours.states, theirs.states)
    assert torch.equal(ours.action, theirs.action)
    state, action = torch.ones(1, STATE), torch.ones(1, 2)
    assert torch.equal(loaded.value(state, action), saved.value(state, action))


def test_loaded_models_are_for_use_and_not_for_training(run):
    models = load(run)
    for name in MODELS:
        assert not getattr(models, name).training
        assert not any(parameter.requires_grad for parameter in getattr(models, name).parameters())


@pytest.mark.parametrize("name", MODELS)
def test_a_missing_model_says_which_stage_to_run(run, name):
    (run / name / "config.json").unlink()
    with pytest.raises(UserError, match=rf"{name}: no trained model there; run src/train_{name}\.py first"):
        load(run)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("damage", ["missing", "truncated", "of another network"])
def test_weights_that_cannot_be_loaded_are_named(run, name, damage):
    file = run / name / "model.safetensors"
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:-10])
    else:
        other = "value" if name == "inverse_dynamics" else "inverse_dynamics"
        file.write_bytes((run / other / "model.safetensors").read_bytes())
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
    def enlarge(config):
        (config["model"].get("network") or config["model"])["state_size"] = 5

    edit(run, name, enlarge)
    with pytest.raises(
        UserError, match=rf"{name}/config\.json: state_size 5 does not fit the data's {STATE}"
    ):
        load(run)


def test_a_model_without_a_normaliser_is_refused(run):
    edit(run, "value", lambda config: config.pop("normaliser"))
    with pytest.raises(UserError, match=r"value/config\.json: no normaliser in it; train the model again"):
        load(run)


@pytest.mark.parametrize("name", MODELS[1:])
def test_models_of_other_data_than_the_others_are_refused(run, name):
    edit(run, name, lambda config: config["normaliser"]["mean"].__setitem__(0, 0.5))
    with pytest.raises(UserError, match=rf"{name}/config\.json: the data it was trained on has another mean"):
        load(run)


def test_plans_are_clipped_to_the_bounds_of_the_data(run):
    bounds = load(run).diffusion
    np.testing.assert_allclose(bounds.minimum, [-1e6] * STATE)
    np.testing.assert_allclose(bounds.maximum, [1e6] * STATE)


def edit(run, name, change):
    config = read_json(run / name / "config.json")
    change(config)
    write_json(run / name / "config.json", config)
