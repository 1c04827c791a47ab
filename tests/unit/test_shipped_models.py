"""What models/ has: run folders that load and act as their runs did, with cards that say what is in them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import ROOT
from seals import seal
from small_models import make_models, save_dataset, save_models
from test_pages import PAGES, script

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import read_json, write_json
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.environments.environment import make_vector_environment
from trajectory_diffuser.models.building import NETWORKS
from trajectory_diffuser.planning.planner import Planner
from trajectory_diffuser.sharing.run_folder import EVALUATION

SHIPPED = sorted(path.parent for path in ROOT.glob("models/*/README.md"))
MODEL = ROOT / "models/hopper-medium-expert"
ship_model = script("ship_model")


@pytest.mark.parametrize("model", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_planner_decides_as_in_its_evaluation(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)  # nothing but its folder is read
    name = "trajectory_diffuser"
    seed = derive_seed("planner", model.name, 0, name)
    planner = Planner.load(model, name, seed=seed, runtime="torch")
    episodes = pd.read_csv(model / "evaluation" / name / "episodes.csv")
    recorded = np.load(model / "evaluation" / name / "plans.npz")
    environments = make_vector_environment(planner.environment, len(episodes))
    observations, _ = environments.reset(seed=episodes["environment_seed"].tolist())
    np.testing.assert_allclose(observations[0], recorded["executed"][0], atol=1e-6)
    actions = planner.act(observations)
    plan = planner.units.normaliser.unnormalise(planner.memory.last_plan.states[0].cpu().numpy())
    np.testing.assert_allclose(plan, recorded["plan"][0], atol=1e-2)
    observations, *_ = environments.step(actions)
    np.testing.assert_allclose(observations[0], recorded["executed"][1], atol=1e-2)


@pytest.mark.parametrize("model", SHIPPED, ids=lambda path: path.name)
def test_a_card_says_what_is_in_the_folder(model: Path):
    card = " ".join(PAGES[f"models/{model.name}/README.md"].split())
    provenance = read_json(model / "provenance.json")
    assert provenance["task"] == model.name
    assert f"`{provenance['content_hash']}`" in card
    assert f"{provenance['steps']} steps in {provenance['episodes']} episodes" in card
    assert f"the best return is {provenance['return']['max']:.0f}." in card
    for network in NETWORKS:
        training = read_json(model / network / "training.json")
        assert f"| `{network}` | {training['parameters']} | {training['steps']} |" in card
        assert f"commit `{training['commit']}`" in card
    settings = read_json(model / "transformer/config.json")["task_settings"]
    assert f"A plan has {settings['horizon']} states" in card
    assert f"after a history of {settings['history']}." in card
    chosen = read_json(model / "evaluation/trajectory_diffuser/evaluation.json")["values"]
    assert f"guidance {chosen['guidance']}, temperature {chosen['temperature']}, target return" in card
    assert f"{chosen['target_return']} times the best in the data" in card
    planners = {path.name for path in (model / "evaluation").iterdir()}
    assert all(f"`{planner}`" in card for planner in planners)


@pytest.mark.parametrize("model", SHIPPED, ids=lambda path: path.name)
def test_a_cards_scores_are_those_of_the_reference(model: Path):
    card = " ".join(PAGES[f"models/{model.name}/README.md"].split())
    (run,) = re.findall(r"<!-- (\S+)/scores\.md: begin -->", card)  # test_pages compares the table
    reference = pd.read_csv(ROOT / run / "scores.csv")
    for folder in (model / "evaluation").iterdir():
        ours = pd.read_csv(folder / "episodes.csv")["normalised_score"]
        theirs = reference.query("task == @model.name and seed == 0 and planner == @folder.name")
        np.testing.assert_allclose(ours, theirs["normalised_score"])
        if folder.name == "trajectory_diffuser":
            assert f"`trajectory_diffuser` scores {ours.mean():.1f} in {len(ours)} episodes" in card


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A project with prepared data and the models of a seed, one planner and one policy evaluated."""
    data, run = tmp_path / "data/processed/task", tmp_path / "results/runs/task/seed1"
    save_dataset(data)
    save_models(run, make_models())
    for name, kind in (("mine", "planner_row"), ("cloned", "policy_row")):
        (run / "evaluation" / name).mkdir(parents=True)
        for file in EVALUATION:
            write_json(run / "evaluation" / name / file, {kind: {}})
        seal(run / "evaluation" / name / "evaluation.json")
    for network in NETWORKS:
        write_json(run / network / "training.json", {})
        (run / network / "model_after_0.5.safetensors").write_bytes(b"")
        seal(run / network / "config.json")
    return tmp_path


def test_what_is_shipped_is_what_a_planner_takes_and_no_more(results: Path):
    card = results / "models/task/README.md"
    card.parent.mkdir(parents=True)
    card.write_text("by hand")
    ship_model.ship(results, "task", 1)
    shipped = {path.relative_to(card.parent).as_posix() for path in card.parent.rglob("*") if path.is_file()}
    files = ("config.json", "manifest.json", "model.safetensors", "training.json")
    expected = {f"{network}/{file}" for network in NETWORKS for file in files}
    expected |= {f"evaluation/mine/{file}" for file in (*EVALUATION, "manifest.json")}
    assert shipped == expected | {"README.md", "provenance.json"}
    assert card.read_text() == "by hand"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [("value", "value: missing; run: snakemake"), ("value/config.json", "config.json: missing, though")],
)
def test_results_that_are_not_whole_are_not_shipped(results: Path, spoil: str, message: str):
    path = results / "results/runs/task/seed1" / spoil
    path.rename(results / "away")
    with pytest.raises(UserError, match=message):
        ship_model.ship(results, "task", 1)
    assert not (results / "models").exists()
