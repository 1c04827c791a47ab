"""README and docs show what results/reference has, and lead where they say."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from PIL import Image
from project import ROOT

import fetch_dataset
import prepare_dataset
import train_diffusion
import train_inverse_dynamics
import train_transformer
import train_value
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.manifest import require_intact
from trajectory_diffuser.datasets.prepared import PreparedDataset
from trajectory_diffuser.environments.environment import make_environment
from trajectory_diffuser.planning.planner import Planner


def script(name: str) -> ModuleType:
    """A module of workflow/scripts."""
    specification = importlib.util.spec_from_file_location(name, ROOT / f"workflow/scripts/{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


sys.path.append(str(ROOT / "workflow/scripts"))  # publish imports run_page
publish, parameters_page, run_page = map(script, ("publish", "parameters_page", "run_page"))

PAGES = {page.relative_to(ROOT).as_posix(): page.read_text() for page in publish.pages()}
README = PAGES["README.md"]
CHANGELOG = "docs/changelog.md"  # of numbers and keys that were
BLOCK = re.compile(r"^<!-- (.*): begin -->$", flags=re.MULTILINE)


def test_readme_shows_a_verdict_and_docs_show_scores():
    assert any(name.endswith("verdict.md") for name in BLOCK.findall(README))
    assert any(name.endswith("scores.md") for name in BLOCK.findall(PAGES["docs/results.md"]))


@pytest.mark.parametrize("page", PAGES)
def test_tables_are_those_of_the_reference_results(page: str):
    for name in BLOCK.findall(PAGES[page]):
        text = f"\n{(ROOT / name).read_text()}\n"
        assert publish.BLOCK.format(name=name, text=text) in PAGES[page]


def test_reference_results_are_what_their_manifests_say():
    folders = [manifest.parent for manifest in ROOT.glob("results/reference/*/manifest.json")]
    assert folders
    for folder in folders:
        require_intact(folder, "git checkout")


def test_pictures_of_docs_are_those_of_the_reference_results():
    pictures = list((ROOT / "docs/figures").glob("*/*"))
    assert pictures
    for picture in pictures:
        reference = ROOT / "results/reference" / picture.parent.name / "figures" / picture.name
        assert picture.read_bytes() == reference.read_bytes()


def test_every_published_run_has_a_page_that_says_what_made_it():
    folders = [scores.parent for scores in ROOT.glob("results/reference/*/scores.md")]
    assert folders
    for folder in folders:
        page = (folder / "README.md").read_text()
        assert re.search(r"^Seeds .*; device .*; commit ", page, flags=re.MULTILINE)
        offered = f"cp results/reference/{folder.name}/params.yaml params.yaml" in page
        assert offered == run_page.can_be_run(folder / "params.yaml") != (run_page.OLD in page)
        assert all(f"(figures/{picture.name})" in page for picture in folder.glob("figures/*.svg"))


def test_jobs_beside_each_other_count_once_in_the_time_of_a_run(tmp_path: Path):
    records = tmp_path / ".snakemake" / "metadata"
    records.mkdir(parents=True)
    spans = {"tune": (0, 600), "evaluate": (300, 900), "make_report": (1800, 1860)}  # s
    for rule, (begun, ended) in spans.items():
        (records / rule).write_text(json.dumps({"rule": rule, "starttime": begun, "endtime": ended}))
    assert run_page.what_it_took(tmp_path) == "3 jobs of 21 minutes together, in 16 minutes.\n\n"
    touched = json.dumps({"rule": "tune", "starttime": None, "endtime": 900})
    (records / "touched").write_text(touched)
    assert run_page.what_it_took(tmp_path) == ""
    (records / "touched").unlink()
    (records / "make_report").unlink()
    assert run_page.what_it_took(tmp_path) == ""


def test_tables_replace_what_is_between_their_lines_and_nothing_else(tmp_path: Path):
    (tmp_path / "t.md").write_text("new \\1\n")
    around = "before\n<!-- t.md: begin -->\n{}<!-- t.md: end -->\nafter\n<!-- u.md: begin -->\nother\n"
    page, expected = around.format("old\n\nold\n"), around.format("\nnew \\1\n\n")
    assert publish.with_tables(page, "t.md", tmp_path) == expected
    assert publish.with_tables(expected, "t.md", tmp_path) == expected


def test_the_planner_of_the_readme_acts_from_what_is_shipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(snippet, {})
    (total,) = re.findall(r"^return (\d+)$", capsys.readouterr().out, flags=re.MULTILINE)
    assert int(total) > 1000  # a hopper that stands still until it falls has a few hundred


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_that_are_there(page: str):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[page])
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_readme_is_short_and_its_lines_too():
    assert len(README.split()) <= 900
    text = [line for line in README.splitlines() if not line.startswith("|")]
    assert [line for line in text if len(line) > 120] == []


def test_no_published_picture_is_transparent():
    drawn = [*ROOT.glob("results/reference/**/*.svg"), *ROOT.glob("docs/figures/**/*.svg")]
    assert drawn
    for file in drawn:
        ground = re.search(r'id="patch_1">.*?style="fill: ([^;"]+)', file.read_text(), re.DOTALL)
        assert ground and ground[1] == "#ffffff", file
    for file in [*ROOT.glob("results/reference/**/*.png"), *ROOT.glob("results/reference/**/*.gif")]:
        with Image.open(file) as image:
            assert image.convert("RGBA").getextrema()[3] == (255, 255), file


def test_the_page_of_parameters_is_the_schemas():
    written = parameters_page.page(yaml.safe_load(parameters_page.SCHEMA.read_text()))
    assert PAGES["docs/parameters.md"] == written, "run: python workflow/scripts/parameters_page.py"
    rows = re.findall(r"^\| `([^`]+)`", written, flags=re.MULTILINE)
    keys = {key for row in rows for key in re.split(r"[.\[\]*]+", row)}
    assert names_of(yaml.safe_load(parameters_page.SCHEMA.read_text())) - keys == set()


def names_of(schema) -> set[str]:
    """Names of all properties, wherever they stand in it; those of whole sections are headings."""
    if not isinstance(schema, dict):
        return set().union(*map(names_of, schema)) if isinstance(schema, list) else set()
    inside = {key: value for key, value in schema.items() if key != "title"}
    names = set(inside.get("properties", {})) if "$defs" not in schema else set()
    return names.union(*(names_of(value) for value in inside.values()))


@pytest.mark.parametrize("environment_id", ["Pendulum-v1", "my_tasks:SlowPendulum-v0"])
def test_a_planner_acts_in_the_environment_of_the_docs(
    environment_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page, shipped = PAGES["docs/own-environment.md"], (ROOT / "params.yaml").read_text()
    collecting, module = re.findall(r"```py\n(.*?)```", page, flags=re.DOTALL)
    task, _ = re.findall(r"^tasks:\n(.*?)  \.\.\.\n", page, flags=re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    Path("my_tasks.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    task, collecting = (text.replace("Pendulum-v1", environment_id) for text in (task, collecting))
    exec(collecting.replace("range(300)", "range(6)"), {})
    written = shipped.replace("\ntasks:\n", f"\ntasks:\n{task}", 1)
    Path("params.yaml").write_text(re.sub(r"\n  tasks: \[\w.*", "\n  tasks: [pendulum]", written))
    params = load_params()
    fetch_dataset.main(params, "pendulum")
    prepare_dataset.main(params, "pendulum")
    assert len(PreparedDataset.load("data/processed/pendulum").terminations) == 6
    for stage in (train_transformer, train_diffusion, train_inverse_dynamics, train_value):
        params[stage.__name__] |= {"steps": 2, "warmup_steps": 1, "validate_every": 2}
        stage.main(params, "pendulum", 0)
    planner = Planner.load("results/runs/pendulum/seed0", "trajectory_diffuser")
    environment = make_environment(planner.environment)
    observation, _ = environment.reset(seed=0)
    action = planner.act(observation)
    _, reward, *_ = environment.step(action)
    assert np.abs(action).max() <= 2 and np.isfinite(reward)


def test_the_site_is_built_without_a_warning(tmp_path: Path):
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    built = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert all((tmp_path / "site" / page / "index.html").exists() for page in pages)
