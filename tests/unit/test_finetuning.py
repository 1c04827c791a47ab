"""Online fine-tuning: on a planted fault that only new data mend, and with whole networks."""

from pathlib import Path

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch
from seals import seal
from small_environments import COUNTING
from small_models import DATA, HISTORY, HORIZON, STATE, make_models, make_policy, save_choices, save_models

import finetune
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.datasets.windows import TransitionSampler
from trajectory_diffuser.evaluation.cell import run_directory
from trajectory_diffuser.evaluation.rollout import run_episodes
from trajectory_diffuser.finetuning import rounds
from trajectory_diffuser.finetuning.growing import Collector, with_episodes
from trajectory_diffuser.finetuning.rounds import Finetuning
from trajectory_diffuser.finetuning.variants import trained_networks
from trajectory_diffuser.planning.models import PlanningModels
from trajectory_diffuser.training import run

STEPS, CPU = 8, torch.device("cpu")
CHOSEN = {"guidance": 1.5, "temperature": 0.4, "target_return": 1.1}
SMALL = {"batch_size": 8, "warmup_steps": 1, "validate_every": 5, "threads": 1}
OUTPUT = Path("results/runs/task/seed4/finetuning/trajectory_diffuser")


class Pushed(gymnasium.Env):
    """A point that moves by the action; the reward is how far it goes along the first axis."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (STATE,), np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.normal(size=STATE)
        return self.place, {}

    def step(self, action):
        self.place = self.place + np.append(action, 0.0)
        return self.place, float(action[0]), False, False, {}


gymnasium.register("Pushed-v0", Pushed)


class Ahead(torch.nn.Module):
    """A transformer that drafts one step along the first axis after the other."""

    def draft(self, tokens, padding, *, length):
        ahead = torch.arange(1, length + 1)[:, None] * torch.eye(STATE + 1)[0]  # [length, state + 1]
        return torch.cat([tokens, tokens[:, -1:] + ahead], dim=1)


class Linear(torch.nn.Module):
    """Inverse dynamics that have learnt from the planted data: every action has the wrong sign."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(STATE, 2, bias=False)
        self.layer.weight.data = -torch.eye(2, STATE)

    def forward(self, state, next_state):
        return self.layer(next_state - state)


@pytest.fixture
def params(project_params):
    """A project with tuned planners whose networks train in no time, in rounds of four episodes."""
    params = project_params
    params["tasks"]["task"] |= {"horizon": HORIZON, "history": HISTORY, "stride": 1, "return_scale": 10.0}
    params["evaluate"]["first_environment_seed"] = 90
    for stage in ("transformer", "diffusion", "inverse_dynamics", "value"):
        params[f"train_{stage}"] |= SMALL
    params["train_diffusion"]["past_states"] = 0
    params["finetune"] |= {"rounds": 2, "episodes": 4, "evaluation_episodes": 3}
    params["finetune"] |= {"first_environment_seed": 300, "steps": dict.fromkeys(finetune.STAGES, 6)}
    save_models(run_directory("task", 4), make_models())
    save_choices(run_directory("task", 4), ("draft", "trajectory_diffuser"), CHOSEN)
    return params


@pytest.fixture
def planted(params, monkeypatch):
    """The fine-tuning of a planner that drafts well and acts wrongly, as its data do; no reward in them."""
    params["tasks"]["task"]["environment"] = COUNTING | {"id": "Pushed-v0", "max_episode_steps": STEPS}
    params["train_inverse_dynamics"] |= {"learning_rate": 0.05, "weight_decay": 0.0, "ema_decay": 0.9}
    params["train_inverse_dynamics"] |= {"batch_size": 64, "validate_every": 150}
    data = PreparedDataset.load(DATA)
    first, last = data.observation_bounds(np.arange(len(data.terminations)))
    moves = np.concatenate(
        [np.diff(data.observations[one : other + 1], axis=0) for one, other in zip(first, last, strict=True)]
    )
    np.save(DATA / "observations.npy", 0.05 * data.observations)
    np.save(DATA / "actions.npy", -0.05 * moves[:, :2])
    np.save(DATA / "rewards.npy", 0 * data.rewards)
    np.save(DATA / "returns_to_go.npy", 0 * data.returns_to_go)
    seal(DATA / "rewards.npy")
    models = make_models(transformer=Ahead(), inverse_dynamics=Linear(), best_return=0.0)
    models.action_bounds = np.float32([[-1, -1], [1, 1]])
    monkeypatch.setattr(PlanningModels, "load", lambda *_: models)
    variants = {"nothing": [], "inverse": ["inverse_dynamics"], "denoiser": ["diffusion"]}
    params["finetune"] |= {"variants": variants, "episodes": 20, "steps": {"inverse_dynamics": 150}}
    return Finetuning(params, "task", 4, "draft", finetune.STAGES, CPU)


def test_what_was_collected_mends_a_network_that_the_data_misled(planted):
    planted.run()
    scores = pd.concat(planted.scores)
    returns = scores.groupby(["variant", "round"])["return"].mean()
    assert returns["nothing"].tolist() == pytest.approx([-STEPS] * 3)
    assert returns["inverse", 0] == pytest.approx(-STEPS)
    assert returns["inverse", 2] > 0.9 * STEPS
    assert "denoiser" not in returns  # a draft calls none
    assert scores.groupby("variant")["trained"].unique().map(list).to_dict() == {
        "nothing": [""],
        "inverse": ["inverse_dynamics"],
        "nothing_collected": ["inverse_dynamics"],
    }


def test_the_control_trains_as_long_without_what_is_collected(planted):
    planted.run()
    scores, curves = pd.concat(planted.scores), pd.concat(planted.curves)
    own = scores[scores["variant"] == "nothing_collected"]
    assert set(own["environment_steps"]) == {0} and set(own["round"]) == {0, 1, 2}
    assert own["return"].max() < 0  # it goes on to learn what is wrong
    steps = curves.groupby(["variant", "round"])["step"].max().unstack()
    assert (steps.loc["nothing_collected"] == steps.loc["inverse"]).all()
    assert "nothing_collected" not in set(pd.concat(planted.collected)["variant"])


def test_rounds_and_steps_are_counted_in_environments_of_their_own(planted):
    planted.run()
    scores, collected = pd.concat(planted.scores), pd.concat(planted.collected)
    for _, own in scores[scores["variant"] != "nothing_collected"].groupby("variant"):
        steps = own.groupby("round")["environment_steps"].unique().map(list)
        assert steps.to_dict() == {0: [0], 1: [20 * STEPS], 2: [40 * STEPS]}
    assert set(scores["environment_seed"]) == {90, 91, 92}
    for (_, number), own in collected.groupby(["variant", "round"]):
        assert own["environment_seed"].tolist() == list(range(280 + 20 * number, 300 + 20 * number))
        assert set(own["length"]) == {STEPS}
    first = collected[collected["round"] == 1].groupby("variant")["return"].apply(list)
    assert first["nothing"] == first["inverse"] == pytest.approx([-STEPS] * 20)


def test_the_data_grow_in_every_round_and_the_best_return_with_them(planted, monkeypatch):
    sizes, asked, objective, make = [], [], finetune.train_inverse_dynamics.objective, rounds.make_planner

    def watched(params, task, data, device):
        sizes.append((len(data.terminations), int(data.validation.sum())))
        return objective(params, task, data, device)

    def watched_planner(*arguments):
        asked.append(arguments[4].best_return)
        return make(*arguments)

    monkeypatch.setattr(finetune.train_inverse_dynamics, "objective", watched)
    monkeypatch.setattr(rounds, "make_planner", watched_planner)
    planted.run()
    assert sizes == [(24, 1), (44, 1), (4, 1), (4, 1)]  # four at first, one of which is held out; the control
    # before; nothing, twice, its returns being -8; inverse, the second time with what it has collected
    assert asked[:4] == [0.0] * 4 and asked[4] > 0.9 * STEPS


def test_the_offline_data_stay_as_they_are_in_what_has_grown(project_params):
    data, collector = PreparedDataset.load(DATA), Collector([3, 4])
    run_episodes(make_policy(), COUNTING, [3, 4], None, "test", collector.record)
    grown = with_episodes(data, collector.episodes())
    for name, array in data.arrays.items():
        np.testing.assert_array_equal(getattr(grown, name)[: len(array)], array)
        assert getattr(grown, name).dtype == array.dtype
    assert grown.normaliser is data.normaliser and grown.provenance is data.provenance
    assert grown.episodes("validation").tolist() == data.episodes("validation").tolist()
    assert np.diff(grown.episode_offsets).tolist() == [20, 30, 25, 20, 3, 4]
    before, after = (TransitionSampler(each, CPU) for each in (data, grown))
    assert torch.equal(after.table[: len(before.table)], before.table)
    assert len(after.table) == len(before.table) + 7


def test_episodes_are_collected_whole(project_params):
    collector = Collector([3, 4, 5])
    rollout = run_episodes(make_policy(), COUNTING, [3, 4, 5], None, "test", collector.record)
    for seed, episode, total in zip([3, 4, 5], collector.episodes(), rollout.returns, strict=True):
        length = 3 + seed % 3
        sums = np.append(0.0, np.cumsum(episode.actions.sum(axis=1)))
        expected = np.stack([np.full(length + 1, seed), np.arange(length + 1), sums], axis=1)
        np.testing.assert_allclose(episode.observations, expected, rtol=1e-5)
        np.testing.assert_allclose(episode.rewards, seed + sums[1:], rtol=1e-5)
        assert episode.rewards.sum() == pytest.approx(total)
        assert len(episode) == length and episode.terminated and episode.seed == seed


def test_a_variant_trains_what_the_planner_calls():
    variants = {"all": ["value", "diffusion", "transformer"], "value": ["value"], "nothing": []}
    called = ["transformer", "diffusion", "inverse_dynamics"]
    trained = ["transformer", "diffusion"]
    assert trained_networks(variants, called) == {"all": trained, "nothing": [], "nothing_collected": trained}
    assert trained_networks({"nothing": []}, called) == {"nothing": []}


def outputs() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in OUTPUT.iterdir() if path.name != "times.json"}


def test_the_same_parameters_give_the_same_bytes(params):
    params["finetune"]["variants"] = {"all": list(finetune.STAGES), "transformer": ["transformer"]}
    files = []
    for _ in range(2):
        finetune.main(params, "task", 4, "trajectory_diffuser")
        files.append(outputs())
    assert files[0] == files[1]
    assert {"scores.csv", "collected.csv", "curves.csv", "finetuning.json", "manifest.json"} == set(files[0])
    curves = pd.read_csv(OUTPUT / "curves.csv")
    assert curves["step"].max() == 6 and curves["validation_loss"].notna().any()
    trained = curves.groupby("variant")["network"].unique().map(list)
    assert trained["all"] == [*finetune.STAGES]  # the value model, too, which chooses what explores
    assert trained["transformer"] == ["transformer"]
    scores = pd.read_csv(OUTPUT / "scores.csv")
    assert len(scores) == 3 * 3 * 3 and set(scores["planner"]) == {"trajectory_diffuser"}


class Killed(Exception):
    """In the place of a signal."""


@pytest.fixture
def trained(params, monkeypatch) -> list[str]:
    """A step for each that is trained on; the fifth one of the sixth training is killed."""
    params["finetune"]["variants"] = {"all": list(finetune.STAGES)}
    for stage in finetune.STAGES:
        params[f"train_{stage}"]["checkpoint_every"] = 3
    steps, train = [], run.train

    def counting(model, loss, *rest):
        def counted(model, split):
            if split == "train":
                steps.append(rest[-1])
                if len(steps) == 5 * 6 + 5:
                    raise Killed
            return loss(model, split)

        return train(model, counted, *rest)

    monkeypatch.setattr(run, "train", counting)
    with pytest.raises(Killed):
        finetune.main(params, "task", 4, "trajectory_diffuser")
    return steps


def test_a_killed_run_goes_on_in_the_training_that_was_killed_and_ends_as_any_other(params, trained):
    finetune.main(params, "task", 4, "trajectory_diffuser")
    # Variants and control, rounds, networks, steps: each once, but for two after the last checkpoint.
    assert len(trained) == 2 * 2 * 4 * 6 + 2
    assert not list(Path("results/checkpoints").rglob("*.safetensors"))
    killed = outputs()
    finetune.main(params, "task", 4, "trajectory_diffuser")
    assert outputs() == killed


def test_networks_that_were_trained_with_other_data_are_not_taken(params, trained, capsys):
    params["finetune"]["episodes"] = 5
    finetune.main(params, "task", 4, "trajectory_diffuser")
    assert len(trained) == 35 + 2 * 2 * 4 * 6
    assert "belongs to a run with other data; set aside" in capsys.readouterr().err


def test_a_planner_that_is_not_tuned_ends_it_before_any_work(params):
    with pytest.raises(UserError, match=r"tuning/ddim/choice.json: missing"):
        finetune.main(params, "task", 4, "ddim")
    assert not Path("results/runs/task/seed4/finetuning").exists()


def test_variants_that_train_nothing_a_planner_calls_end_it_before_any_work(planted):
    planted.settings["variants"] = {"denoiser": ["diffusion"]}
    with pytest.raises(UserError, match=r"none trains what draft calls; name one of: transformer, inverse"):
        planted.run()
    assert not planted.scores
