"""The smoke preset, really run, through both engines."""

import json
import re
import runpy
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import requests
from moto.server import ThreadedMotoServer
from project import NO_RESULT, ROOT, Project

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.manifest import MANIFEST, TIMES, require_intact
from trajectory_diffuser.reporting.style import INK

REPORT = Path("results/report")
TASK = "maze-umaze-smoke"


def run(project: Project, command: str) -> str:
    """What a command prints; it must succeed."""
    done = project.run(*command.split())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def written(project: Project) -> dict[str, float]:
    """When each result was written: the files that hold weights, choices, scores and times."""
    names = ("model.safetensors", "choice.json", "episodes.csv", "latency.json", "scaling.json")
    runs = project.folder / "results" / "runs"
    return {
        str(path.relative_to(runs)): path.stat().st_mtime for path in runs.rglob("*") if path.name in names
    }


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """One project for each engine, copied together so that both hold the same code.

    Without three kinds of planners, whose jobs are like the others': `make test-faults` runs all of them.
    """
    folder = tmp_path_factory.mktemp("smoke")
    made = {engine: Project(folder / engine, preset="smoke") for engine in ("snakemake", "dvc")}
    for project in made.values():
        project.replace(" warm_start, carried_draft_one_call, four_actions,", "")
        project.commit()
    return made


@pytest.fixture(scope="module")
def by_snakemake(projects: dict[str, Project]) -> Project:
    project = projects["snakemake"]
    (project.folder / ".git" / "printed.txt").write_text(run(project, "snakemake --cores 2"))
    (project.folder / ".git" / "digests.json").write_text(json.dumps(project.digests()))
    return project


@pytest.fixture(scope="module")
def adopted(by_snakemake: Project) -> Project:
    """The same, recorded with DVC and committed."""
    run(by_snakemake, "python workflow/scripts/agree.py --from snakemake")
    by_snakemake.commit()  # params.yaml and dvc.lock
    return by_snakemake


@pytest.fixture(scope="module")
def by_dvc(projects: dict[str, Project]) -> Project:
    run(projects["dvc"], "dvc repro")
    return projects["dvc"]


def test_readmes_example_runs_with_what_was_trained(by_snakemake: Project) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert len(example.splitlines()) <= 15
    shipped, trained = "models/hopper-medium-expert", f"results/runs/{TASK}/seed0"
    assert shipped in example
    example = example.replace(shipped, trained)
    # Run as the stages are: src/ is first on the path because the file lies there.
    (by_snakemake.folder / "src" / "example.py").write_text(example)
    printed = run(by_snakemake, "python src/example.py")
    (by_snakemake.folder / "src" / "example.py").unlink()
    assert re.search(r"^return \d+$", printed, flags=re.MULTILINE)


def test_without_a_terminal_snakemake_says_what_runs_how_much_is_done_and_left(by_snakemake: Project) -> None:
    printed = (by_snakemake.folder / ".git" / "printed.txt").read_text()
    assert re.search(rf"^Job \d+: train_diffusion: {TASK}, seed 0$", printed, flags=re.MULTILINE)
    done = re.findall(r"^(\d+) of (\d+) steps \(\d+%\) done$", printed, flags=re.MULTILINE)
    assert done[-1][0] == done[-1][1] and len(done) > 10
    told = r"^(?:(?:about|at least) \d+ min left|time left is not known yet)"
    left = re.findall(told, printed, flags=re.MULTILINE)
    assert len(left) > 10
    assert max(map(len, printed.splitlines())) < 200


def test_snakemake_makes_the_report(by_snakemake: Project) -> None:
    report = by_snakemake.folder / REPORT
    assert (report / "index.html").stat().st_size > 10_000
    assert any((report / "figures").iterdir())
    means = json.loads((report / "scores.json").read_text())
    scores = pd.read_csv(report / "scores.csv")
    latency = pd.read_csv(report / "latency.csv")
    assert set(scores["planner"]) == set(latency["planner"]) == set(means[TASK])
    params = load_params(by_snakemake.folder / "params.yaml")["run"]
    acting = [*params["planners"], *params["policies"]]
    assert set(scores["planner"]) == set(acting)
    assert len(scores) == len(acting) * 2  # episodes
    # One seed, and a draft that was hardly trained.
    verdict = json.loads((report / "verdict.json").read_text())
    assert verdict["better_than_its_draft"][TASK]["answer"] in ("undecided", "cannot be judged")
    assert (report / "verdict.txt").read_text().startswith("Verdict\n")
    assert not list((by_snakemake.folder / "results").glob("checkpoints/**/*.safetensors"))
    assert run(by_snakemake, "git status --porcelain") == "", "something produced is not ignored by git"


def test_a_second_run_does_nothing(by_snakemake: Project) -> None:
    before, start = written(by_snakemake), time.monotonic()
    assert "Nothing to be done" in run(by_snakemake, "snakemake --cores 2")
    print(f"{time.monotonic() - start:.1f} s")
    assert written(by_snakemake) == before


def test_snakemake_packs_its_own_report(by_snakemake: Project) -> None:
    run(by_snakemake, "snakemake --report .git/report.html")
    page = (by_snakemake.folder / ".git" / "report.html").read_text()
    assert len(page) > 1_000_000
    variables = re.findall(r'^ *var (results|categories) = (\{".*\});$', page, flags=re.MULTILINE)
    data = {name: json.loads(text) for name, text in variables}
    (of_all,), (of_task,) = (data["categories"][name].values() for name in ("All tasks", TASK))
    assert set(data["categories"]) == {"All tasks", TASK}
    assert {f"{REPORT}/{name}" for name in ("index.html", "figures/draft_errors.svg")} <= set(of_all)
    assert {f"{REPORT}/figures/tuning_{TASK}.svg", f"{REPORT}/figures/plans_{TASK}.svg"} <= set(of_task)
    captions = {path: " ".join(result["caption"].split()) for path, result in data["results"].items()}
    assert "Returns, lengths and states of the data." in captions[f"{REPORT}/figures/data_{TASK}.svg"]
    assert all(f"Of {TASK}, with seeds 0." in caption for caption in captions.values())


def test_dvc_adopts_what_snakemake_made(adopted: Project) -> None:
    before = written(adopted)
    assert "Data and pipelines are up to date" in run(adopted, "dvc repro")
    assert written(adopted) == before


def test_a_flipped_bit_in_any_file_of_any_output_is_named(
    adopted: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(adopted.folder)
    outputs = runpy.run_path("workflow/scripts/agree.py")["OUTPUTS"]
    manifests = [manifest for folder in outputs for manifest in Path(folder).rglob(MANIFEST)]
    files = {file: each.parent for each in manifests for file in each.parent.rglob("*") if file.is_file()}
    assert len(files) > 150
    for file, folder in files.items():
        if file.name in NO_RESULT:
            continue
        content = file.read_bytes()
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        with pytest.raises(UserError, match=rf"^{file}: damaged"):
            require_intact(folder, "")
        file.write_bytes(content)


def test_nothing_is_recorded_of_results_of_which_one_is_damaged(adopted: Project) -> None:
    lock, file = (
        adopted.folder / name for name in ("dvc.lock", f"results/runs/{TASK}/seed0/latency/latency.csv")
    )
    recorded, content = lock.read_bytes(), file.read_bytes()
    file.write_bytes(content + b"\n")
    done = adopted.run("python", "workflow/scripts/agree.py", "--from", "snakemake")
    file.write_bytes(content)
    assert done.returncode == 1 and f"error: {file.relative_to(adopted.folder)}: damaged" in done.stderr
    assert lock.read_bytes() == recorded


def test_an_experiment_changes_only_the_report(adopted: Project) -> None:
    before = written(adopted)
    run(adopted, "dvc exp run --name narrow --set-param make_report.confidence=0.5")
    assert written(adopted) == before
    table = run(adopted, "dvc exp show --csv --only-changed")
    assert "narrow" in table and "make_report.confidence" in table
    assert len(table.splitlines()[0].split(",")) < 20
    documented = re.search(r"`(dvc exp show [^`]+)`", (ROOT / "docs/running.md").read_text())
    assert documented is not None
    whole = "dvc exp show --drop .*/|params.yaml|src|.*\\. --keep make_report.confidence"
    for command, words in ((documented[1], ()), (whole, ("score", "undecided", "held"))):
        table = run(adopted, f"{command} --no-pager".replace("'", ""))
        assert all(word in table for word in ("narrow", "make_report.confidence", *words))
        assert max(map(len, table.splitlines())) <= 120


def test_the_experiment_of_the_docs_can_be_queued(adopted: Project) -> None:
    documented = re.search(r"`dvc exp run (-S \S+)`", (ROOT / "docs/running.md").read_text())
    assert documented is not None
    assert "Queued experiment" in run(adopted, f"dvc exp run --queue {documented[1]}")
    run(adopted, "dvc queue remove --queued")


def test_metrics_fit_a_terminal(adopted: Project) -> None:
    printed = run(adopted, "dvc metrics show")
    names, *files = (line.split() for line in printed.splitlines())
    assert names == ["Path", "did_not_hold", "held", "not_judged", "score", "undecided"]
    assert {file for file, *_ in files} == {f"{REPORT}/answers.json", f"{REPORT}/metrics.json"}
    assert max(map(len, printed.splitlines())) <= 120


def marks(picture: str) -> set[tuple[float, float]]:
    """The places of the marks of an SVG that are inside it and in a colour, not in the ink of axes."""
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', picture).groups())
    every = re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)" style="[^"]*?(#\w{6})', picture)
    places = {(float(x), float(y)) for x, y, colour in every if colour != INK}
    return {(x, y) for x, y in places if x < width and y < height}


def test_dvc_draws_scores_and_times_of_every_planner_without_a_network(adopted: Project) -> None:
    run(adopted, "dvc plots show --out .git/plots")
    folder = adopted.folder / ".git" / "plots"
    page = (folder / "index.html").read_text()
    assert "http" not in page
    pictures = [(folder / source).read_text() for source in re.findall(r'<img src="(.*?)"', page)]
    assert len(pictures) == 2
    params = load_params(adopted.folder / "params.yaml")["run"]
    acting = {*params["planners"], *params["policies"]}
    for picture in pictures:
        assert {TASK, *acting} <= set(re.findall(r">([^<>]+)</text>", picture))
    episodes, against_time = map(marks, pictures)  # by name
    assert len(against_time) >= len(acting)
    assert len(episodes) == len(pd.read_csv(adopted.folder / REPORT / "scores.csv"))


def test_one_job_or_two_at_a_time_both_engines_write_the_same_bytes(
    by_snakemake: Project, by_dvc: Project
) -> None:
    ours, theirs = json.loads((by_snakemake.folder / ".git" / "digests.json").read_text()), by_dvc.digests()
    assert len(ours) > 150
    assert [file for file in ours | theirs if ours.get(file) != theirs.get(file)] == []


def test_a_second_repro_does_nothing_whatever_the_times(by_dvc: Project) -> None:
    before = written(by_dvc)
    timed = sorted((by_dvc.folder / "results" / "runs").rglob(TIMES))
    assert len(timed) > 10
    timed[0].unlink()
    timed[1].write_text("{}")
    assert "Data and pipelines are up to date" in run(by_dvc, "dvc repro")
    assert written(by_dvc) == before


def test_snakemake_adopts_what_dvc_made(by_dvc: Project) -> None:
    before = by_dvc.digests()
    run(by_dvc, "python workflow/scripts/agree.py --from dvc")
    assert "Nothing to be done" in run(by_dvc, "snakemake --cores 2")
    assert by_dvc.digests() == before


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server like S3 on this machine, with an empty bucket `results`."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    requests.put(f"{address}/results").raise_for_status()
    yield address
    server.stop()


def test_who_pulls_shared_results_has_nothing_to_do_with_either_engine(
    by_dvc: Project, s3: str, tmp_path: Path
) -> None:
    run(by_dvc, "dvc remote add --default storage s3://results/trajectory-diffuser")
    run(by_dvc, f"dvc remote modify storage endpointurl {s3}")
    by_dvc.commit()  # dvc.lock and .dvc/config
    run(by_dvc, "dvc push")
    theirs = by_dvc.at(tmp_path / "clone")
    run(by_dvc, f"git clone --quiet . {theirs.folder}")
    assert not (theirs.folder / "results" / "runs").exists()

    run(theirs, "dvc pull")
    assert theirs.digests() == by_dvc.digests()
    assert "Data and pipelines are up to date" in run(theirs, "dvc repro")
    run(theirs, "python workflow/scripts/agree.py --from dvc")
    assert "Nothing to be done" in run(theirs, "snakemake --cores 2")
    assert theirs.digests() == by_dvc.digests()


def test_a_horizon_longer_than_the_episodes_stops_the_training(by_snakemake: Project, tmp_path: Path) -> None:
    project = by_snakemake.duplicate(tmp_path / "copy")
    shutil.rmtree(project.folder / "results" / "runs")
    project.replace("horizon: 8", "horizon: 128")
    done = project.run("snakemake", "--cores", "2", f"results/runs/{TASK}/seed0/diffusion")
    assert done.returncode != 0
    last_words = [line for line in done.stderr.splitlines() if line.startswith("error: ")][-1]
    assert last_words.startswith(f"error: params.yaml: tasks.{TASK}.horizon: horizon is 128 ")
    assert not (project.folder / "results" / "runs").exists()
