import importlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from seals import seal
from small_models import ACTION, HISTORY, HORIZON, STATE, history, make_planner, plan_from, save_dataset

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.computing.times import read_times
from trajectory_diffuser.models.building import weights_file
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.training import run
from trajectory_diffuser.training.checkpoint import Checkpoint

POLICY = "best_tenth_cloning"
STAGES = ["train_transformer", "train_diffusion", "train_inverse_dynamics", "train_value"]
SMALL = {
    "steps": 10,
    "batch_size": 4,
    "width": 8,
    "layers": 1,
    "heads": 2,
    "base_width": 8,
    "channel_multipliers": [2, 4],
    "diffusion_steps": 10,
    "past_states": 2,
    "warmup_steps": 2,
    "validate_every": 5,
    "checkpoint_every": 4,
    "threads": 1,
}


def small_params():
    """The shipped parameters with a task and budgets that take no time."""
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    task = {"horizon": HORIZON, "history": HISTORY, "stride": 1, "return_scale": 10.0}
    params["tasks"]["task"] = next(iter(params["tasks"].values())) | task
    params["run"]["device"] = "cpu"
    for stage in [*STAGES, "train_policy"]:
        params[stage] |= {key: value for key, value in SMALL.items() if key in params[stage]}
    return params


@pytest.fixture
def project(tmp_path, monkeypatch):
    threads = torch.get_num_threads()
    save_dataset(tmp_path / "data" / "processed" / "task")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    torch.set_num_threads(threads)


def train(stage, params=None, seed=0):
    of_policy = [POLICY] if stage == "train_policy" else []
    importlib.import_module(stage).main(params or small_params(), "task", seed, *of_policy)
    return Path("results/runs/task") / f"seed{seed}" / folder_of(stage)


def folder_of(stage):
    return f"policies/{POLICY}" if stage == "train_policy" else stage.removeprefix("train_")


def test_the_four_stages_leave_models_that_plan_together(project):
    directories = [train(stage) for stage in STAGES]
    models = PlanningModels.load(directories[0].parent, torch.device("cpu"))
    plan = plan_from(make_planner(models, start="draft", candidates=3, guidance=1.5), *history())
    assert plan.states.shape == (2, HORIZON, STATE)
    assert plan.action.shape == (2, ACTION)
    np.testing.assert_array_equal(models.action_bounds, np.float32([[-9] * ACTION, [9] * ACTION]))
    assert (models.task, models.horizon, models.history, models.return_scale) == (
        "task",
        HORIZON,
        HISTORY,
        10,
    )
    assert models.best_return == 30  # of the longest episode
    for directory, stage in zip(directories, STAGES, strict=True):
        assert {file.name for file in directory.iterdir()} == {
            "model.safetensors", "config.json", "training.json", "curves.csv", "dvclive", "manifest.json",
            "times.json",
            *(weights_file(fraction) for fraction in (0.125, 0.25, 0.5)),
        }  # fmt: skip
        curves = pd.read_csv(directory / "curves.csv")
        columns = ["step", "train_loss", "validation_loss", "learning_rate", "gradient_norm"]
        assert list(curves.columns) == columns
        summary = read_json(directory / "training.json")
        assert summary["steps"] == curves["step"].iloc[-1] == 10
        assert summary["final_loss"] == pytest.approx(curves["train_loss"].iloc[-1])
        assert summary["validation_loss"] == pytest.approx(curves["validation_loss"].iloc[-1])
        network = getattr(models, stage.removeprefix("train_"))
        assert summary["parameters"] == sum(parameter.numel() for parameter in network.parameters())
        logged = pd.read_csv(directory / "dvclive/plots/metrics/train_loss.tsv", sep="\t")
        assert logged["step"].tolist() == curves["step"].tolist()
    assert not any(Path("results/checkpoints").rglob("*.safetensors"))


@pytest.mark.parametrize("stage", [*STAGES, "train_policy"])
def test_a_killed_stage_leaves_nothing_half_written_and_ends_as_if_it_had_not_been(
    project, monkeypatch, stage
):
    expected = train(stage)
    files = {path.name: path.read_bytes() for path in expected.iterdir() if path.is_file()}
    del files["times.json"]
    expected_files = {"model.safetensors", "model_after_0.125.safetensors", "config.json", "manifest.json"}
    assert expected_files <= files.keys()
    expected.rename("whole")

    save = Checkpoint.save

    def save_and_die(self, step, *rest):
        save(self, step, *rest)
        if step == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "save", save_and_die)
        train(stage)
    assert not expected.exists()
    assert list(expected.parent.iterdir()) == []
    train(stage)
    for name, content in files.items():
        assert (expected / name).read_bytes() == content, name


def test_kept_weights_lie_beside_the_last_with_step_and_seconds_and_plan_together(project):
    directories = [train(stage) for stage in STAGES]
    for directory in directories:
        record, last = read_json(directory / "training.json"), load_file(directory / "model.safetensors")
        assert [(kept["fraction"], kept["step"]) for kept in record["kept"]] == [
            (0.125, 1),
            (0.25, 2),
            (0.5, 5),
        ]
        times = read_times(directory)
        assert [kept["fraction"] for kept in times["kept"]] == [0.125, 0.25, 0.5]
        seconds = [0, *(kept["seconds"] for kept in times["kept"]), times["seconds"]]
        assert seconds == sorted(seconds)
        for kept in record["kept"]:
            weights = load_file(directory / weights_file(kept["fraction"]))
            assert weights.keys() == last.keys()
            assert any(not torch.equal(weight, last[name]) for name, weight in weights.items())
    early = PlanningModels.load(directories[0].parent, torch.device("cpu"), 0.5)
    plan = plan_from(make_planner(early, start="draft", candidates=3), *history())
    assert plan.states.isfinite().all()


def other_code(project, monkeypatch):
    monkeypatch.setattr(run, "code_hash", lambda stage: "other")


def other_rewards(project, monkeypatch):
    file = project / "data/processed/task/returns_to_go.npy"
    np.save(file, np.load(file) + 1)
    seal(file)


def other_torch(project, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "0.4.1")


def other_normaliser(project, monkeypatch):
    file = project / "data/processed/task/normaliser.json"
    record = read_json(file)
    write_json(file, record | {"std": [2 * value for value in record["std"]]})
    seal(file)


def other_parameters(project, monkeypatch):
    pass


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (other_parameters, "learning_rate, return_scale"),
        (other_code, "code"),
        (other_rewards, "data"),
        (other_normaliser, "data"),
        (other_torch, "torch"),
    ],
)
def test_a_checkpoint_belongs_to_code_parameters_data_and_torch(project, monkeypatch, capsys, change, named):
    params = small_params()
    if change is other_parameters:
        params["train_value"] = params["train_value"] | {"learning_rate": 0.1}
        params["tasks"]["task"]["return_scale"] = 3.0

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pd.DataFrame, "to_csv", die)  # late: the checkpoint of step 8 stays
        train("train_value", params)
    change(project, monkeypatch)
    resumed = (train("train_value") / "model.safetensors").read_bytes()
    assert f"value/checkpoint.safetensors: belongs to a run with other {named}; " in capsys.readouterr().err
    assert not any(Path("results/checkpoints").rglob("*.safetensors*"))
    assert (train("train_value") / "model.safetensors").read_bytes() == resumed


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_blamed_on_bad_data_first(project, bad):
    file = project / "data/processed/task/observations.npy"
    observations = np.load(file)
    observations[7:, 1] = bad
    np.save(file, observations)
    seal(file)
    with pytest.raises(UserError) as caught:
        train("train_value")
    assert str(caught.value) == (
        f"data/processed/task/observations.npy: row 7 holds {bad}; "
        "run: python src/prepare_dataset.py --task task"
    )


def test_a_bad_normaliser_is_blamed_too(project):
    file = project / "data/processed/task/normaliser.json"
    record = read_json(file)
    write_json(file, record | {"std": [record["std"][0], np.nan, *record["std"][2:]]})
    seal(file)
    with pytest.raises(UserError, match=r"normaliser\.json: std: row 1 holds nan; run: "):
        train("train_value")


def test_with_good_data_the_learning_rate_is_blamed(project):
    params = small_params()
    params["train_value"] = params["train_value"] | {"learning_rate": 1e30, "warmup_steps": 0}
    with pytest.raises(UserError, match="try a lower learning_rate"):
        train("train_value", params)


def test_seeds_make_different_models(project):
    a, b = (train("train_value", seed=seed) / "model.safetensors" for seed in (0, 1))
    assert a.read_bytes() != b.read_bytes()


def test_without_held_out_episodes_the_validation_loss_is_left_empty(project):
    save_dataset(project / "data/processed/short", lengths=(20,))
    Path("data/processed/task").rename("data/processed/other")
    Path("data/processed/short").rename("data/processed/task")
    np.save("data/processed/task/validation.npy", np.array([False]))
    seal("data/processed/task/validation.npy")
    directory = train("train_inverse_dynamics")
    assert read_json(directory / "training.json")["validation_loss"] is None
    assert pd.read_csv(directory / "curves.csv")["validation_loss"].isna().all()


def trained_with(stage, **changes):
    params = small_params()
    params[stage] |= changes
    return load_file(train(stage, params) / "model.safetensors")


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiles")
def test_a_compiled_network_trains_to_the_same_weights_but_for_rounding(project):
    expected = trained_with("train_value")
    compiled = trained_with("train_value", compile=True)
    assert compiled.keys() == expected.keys()
    for name, weight in compiled.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-4, atol=1e-5)


def test_without_a_compiler_compile_is_refused_before_anything_is_read(project, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    shutil.rmtree("data")
    with pytest.raises(
        UserError, match=r"train_value.compile: true .* there is no no-such-compiler"
    ) as caught:
        trained_with("train_value", compile=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stage", [*STAGES, "train_policy"])
def test_bfloat16_rounds_the_loss_and_keeps_the_weights_in_single_precision(project, stage):
    trained_with(stage)
    losses = read_curves(stage)
    rough = trained_with(stage, precision="bfloat16")
    assert all(weight.dtype == torch.float32 for weight in rough.values())
    for column in ("train_loss", "validation_loss"):
        assert (read_curves(stage)[column].dropna() != losses[column].dropna()).all()
        np.testing.assert_allclose(read_curves(stage)[column], losses[column], rtol=0.03)


def read_curves(stage):
    return pd.read_csv(Path("results/runs/task/seed0") / folder_of(stage) / "curves.csv")


def test_policies_are_trained_apart_each_by_its_row(project):
    weights = {}
    for policy in ("behaviour_cloning", "best_tenth_cloning", "return_conditioned_cloning"):
        importlib.import_module("train_policy").main(small_params(), "task", 0, policy)
        weights[policy] = load_file(f"results/runs/task/seed0/policies/{policy}/model.safetensors")
    inputs = {policy: each["network.0.weight"].shape[1] for policy, each in weights.items()}
    assert list(inputs.values()) == [STATE, STATE, STATE + 1]
    first, second = (weights[policy]["network.0.weight"] for policy in list(inputs)[:2])
    assert not torch.equal(first, second)
