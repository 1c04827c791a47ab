"""The report's directory: complete, self-contained, about the run and nothing else."""

import base64
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import yaml
from reporting.made_up_run import film_again
from seals import seal

import make_report
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params
from trajectory_diffuser.computing.manifest import TIMES
from trajectory_diffuser.computing.times import read_times, seal_times, write_times
from trajectory_diffuser.reporting.fans import fan_figure
from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.tables import training_table
from trajectory_diffuser.reporting.tuning_figure import tuning_cost
from trajectory_diffuser.reporting.verdict import DID_NOT_HOLD


@pytest.fixture
def report(params, root, monkeypatch):
    """A function that makes the report of `run`, changed as asked, and returns its folder."""

    def make(**run):
        params["run"].update(run)
        scored, scaled = params["evaluate_training"], params["measure_scaling"]
        scored["planners"] = [each for each in scored["planners"] if each in params["run"]["planners"]]
        scaled["tasks"] = [each for each in scaled["tasks"] if each in params["run"]["tasks"]]
        filmed = [each for each in params["film"]["planners"] if each in params["run"]["planners"]]
        if filmed != params["film"]["planners"]:
            for task in params["run"]["tasks"]:
                folder = root / "results" / "runs" / task / "film"
                film_again(params["film"] | {"planners": filmed}, folder, task)
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        monkeypatch.chdir(root)
        make_report.main(load_params())
        return root / "results" / "report"

    return make


class References(HTMLParser):
    """Collects every attribute through which a page can load or name something else."""

    def __init__(self):
        super().__init__()
        self.found, self.identifiers, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        assert tag not in ("link", "iframe", "object")
        for name, value in attributes:
            if tag == "image" and name == "xlink:href":
                assert value.startswith("data:image/png;base64,")
            elif tag == "img" and name == "src":
                assert re.match("data:image/(gif|png);base64,", value)
            elif name in ("src", "href", "xlink:href", "data", "srcset", "action"):
                self.found.append(value)
            if name == "id":
                self.identifiers.append(value)

    def handle_data(self, data):
        self.text.append(data)


def test_page_is_self_contained_and_complete(full_report):
    page = (full_report / "index.html").read_text()
    references = References()
    references.feed(page)
    assert all(reference.startswith("#") for reference in references.found)
    assert {reference[1:] for reference in references.found} <= set(references.identifiers)
    assert len(references.identifiers) == len(set(references.identifiers))
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", page))
    assert "@import" not in page
    assert set(re.findall(r"https?://[^\s\"'<]*", page)) <= {
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/2000/svg",
    }
    text = " ".join("".join(references.text).split())
    for expected in (
        "not comparable with published D4RL scores",
        "Does refinement improve on the draft? (trajectory_diffuser)",
        "made up <for the test>",  # escaped in the source
        "Signs of overfitting: 2 hopper-medium-expert, value, seed 1: validation loss rose by 30 %",
        "Shown: poor drafts (draft, hopper-medium-expert); plans copied from the data (ddim, hopper",
        "maze-umaze, diffusion, seed 0: validation loss still fell",
        "How much training each planner needs",
        "How much <refinement>? hopper-medium-expert: trajectory_diffuser: best 50.5 at refine steps 5",
        "commit 0123456789ab; evaluated with torch 2.13.0, mujoco 3.3.0",
        "a processor",
        "score of a perfect imitation",
        "Own data. D4RL's maze2d has one fixed goal",
    ):
        assert expected in text
    for sentence in (
        "Up and to the left is better",
        "with untrained networks",
        "Mean scores over the trials",
        "Plans of trajectory_diffuser",
        "Seeds 0, 1; device cpu (1 thread, openvino), cpu (1 thread)",
        "trajectory_diffuser: from draft, k = 5",
    ):
        assert text.count(sentence) == 1  # once for all tasks
    written = re.findall(r"<t(?:d|ext)\b[^>]*>([^<]*)", page)
    assert len(written) > 500 and not [words for words in written if re.search(r"\de[+-]?\d", words)]
    figures = {path.name for path in (full_report / "figures").iterdir()}
    assert {"speed_against_return.svg", "plans_maze-umaze.svg", "plan_refinement.png"} <= figures


def test_mazes_have_fans_of_plans_coloured_by_how_much_is_done(full_report, params, root):
    assert [path.name for path in full_report.glob("figures/fans_*")] == ["fans_maze-umaze.svg"]
    assert (full_report / "index.html").read_text().count(
        "How plans come about: many at"
    ) == 2  # and for ears
    figure = fan_figure(read_results(params, root), "maze-umaze")
    (legend,) = figure.legends
    known = {
        line.get_color(): text.get_text()
        for line, text in zip(legend.get_lines(), legend.get_texts(), strict=True)
    }
    drawn = {
        axis.get_title(): Counter(known.get(line.get_color()) for line in axis.lines) for axis in figure.axes
    }
    each = 8  # of 16 plans
    assert drawn["ddim"] == dict.fromkeys(known.values(), each) and len(known) == 6
    assert drawn["trajectory_diffuser"] == {"0 %": each, None: each, "100 %": each}
    assert set(drawn) == {"ddim", "trajectory_diffuser"}


def test_the_film_moves_on_the_page_and_what_is_left_out_is_said(full_report, params):
    page = (full_report / "index.html").read_text()
    moving, strip = re.findall(r'<img src="data:image/(\w+);base64,([^"]+)" alt="([^"]+)">', page)
    assert (moving[0], strip[0]) == ("gif", "png")
    assert page.index(moving[1]) < page.index('id="recommendation"') < page.index(strip[1])
    for (kind, content, alternative), name in ((moving, "film"), (strip, "filmstrip")):
        file = full_report / "figures" / f"{name}_hopper-medium-expert.{kind}"
        assert base64.b64decode(content) == file.read_bytes()
        assert "4 seconds of hopper-medium-expert" in alternative
        assert "trajectory_diffuser, ddim and full_diffusion" in alternative
    latency = pd.read_csv(full_report / "latency.csv")
    timed = latency.set_index(["task", "seed", "planner", "batch"])  # of the seed whose planners are filmed
    ours = timed.loc[("hopper-medium-expert", 0, "trajectory_diffuser", 1)]
    assert f"takes {1000 / ours['decisions_per_second']:.1f} ms, " in moving[2]
    assert "There is no film of maze-umaze: made up &lt;to be&gt; left out." in page
    assert len(list(full_report.glob("figures/film*"))) == 2


def test_without_films_the_report_says_why_of_all_tasks_alike_in_one_line(report, root):
    folder = root / "results" / "runs" / "hopper-medium-expert" / "film"
    film_again({"planners": []}, folder, "hopper-medium-expert")
    page = (report() / "index.html").read_text()
    assert "There is no film of hopper-medium-expert and maze-umaze: made up &lt;to be&gt; left out." in page
    assert "<img" not in page


def test_a_film_of_a_planner_that_is_no_longer_run_is_to_be_made_again(params, root):
    params["run"]["planners"].remove("ddim")
    with pytest.raises(UserError, match=r"'ddim' is not among run.planners; run `python src/film.py --task"):
        read_results(params, root)


def test_same_results_give_the_same_bytes(params, root, tmp_path):
    params["run"].update(tasks=["maze-umaze"], planners=["draft", "trajectory_diffuser"], experiments=[])
    params["evaluate_training"].update(planners=["draft"])
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        write_report(read_results(params, root), folder)
    files = [path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file()]
    assert len(files) > 8
    for file in files:
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes(), file


def test_other_times_give_the_same_metrics_and_scores_to_the_byte(report, params, root, tmp_path):
    measured, others = root / "results" / "runs" / "maze-umaze", tmp_path / "first"
    run = {"tasks": ["maze-umaze"], "planners": ["draft", "trajectory_diffuser", "full_diffusion", "ddim"]}
    params["evaluate_training"].update(planners=[])
    report(**run, experiments=["refinement"], experiment_tasks=["maze-umaze"]).rename(others)
    for file in measured.glob("seed*/latency/latency.csv"):
        latency = pd.read_csv(file)
        of_subject = latency["planner"] == "trajectory_diffuser"
        latency.loc[of_subject, "seconds_per_plan"] *= 50
        latency.loc[of_subject, "decisions_per_second"] /= 50
        latency.to_csv(file, index=False)
        seal(file)
    times = pd.read_csv(measured / "experiment_latency" / "refinement" / "points.csv")
    times["milliseconds"] *= 2
    times.to_csv(measured / "experiment_latency" / "refinement" / "points.csv", index=False)
    seal(measured / "experiment_latency" / "refinement" / "points.csv")
    for times in measured.rglob(TIMES):
        known = read_times(times.parent)
        write_times(times.parent, **known | {"seconds": 2 * known["seconds"]})
        seal_times(times.parent)
    folder = report()
    same = ("metrics.json", "scores.json", "scores.csv", "signs.csv")
    for name in same:
        assert (folder / name).read_bytes() == (others / name).read_bytes(), name
    for name in ("answers.json", "verdict.json", "latency.csv", "experiments.csv", "experiments.md"):
        assert (folder / name).read_bytes() != (others / name).read_bytes(), name


def test_scores_metrics_and_verdict_are_written_beside_the_page(full_report, params):
    means = json.loads((full_report / "scores.json").read_text())
    assert list(means) == params["run"]["tasks"]
    acting = [*params["run"]["planners"], *params["run"]["policies"]]
    assert all(list(means[task]) == acting for task in params["run"]["tasks"])
    metrics = json.loads((full_report / "metrics.json").read_text())
    of_tasks = [means[task]["trajectory_diffuser"] for task in means]
    assert metrics == {"score": pytest.approx(np.mean(of_tasks), abs=0.1)}
    answers = json.loads((full_report / "answers.json").read_text())
    assert sum(answers.values()) == len(params["make_report"]["claims"])
    verdict = json.loads((full_report / "verdict.json").read_text())
    assert list(verdict) == list(params["make_report"]["claims"])
    assert answers["held"] == sum(claim["all_tasks"]["answer"] == "held" for claim in verdict.values())
    row = verdict["faster_than_full_diffusion"]["maze-umaze"]
    assert row["times_as_fast"] == pytest.approx(11.6, abs=1.5)
    assert row["times_as_fast"] == pytest.approx(row["seconds"][1] / row["seconds"][0], abs=0.1)
    assert row["interval"][0] < row["effect"] < row["interval"][1]
    scores = pd.read_csv(full_report / "scores.csv")
    assert {"task", "seed", "planner", "episode", "return", "normalised_score", "length"} <= set(scores)
    assert len(scores) == 2 * 2 * 8 * 10
    latency = pd.read_csv(full_report / "latency.csv")
    needed = {"task", "planner", "batch", "device", "threads", "p50_seconds", "p95_seconds", "network_calls"}
    assert needed <= set(latency)
    assert len(latency) == 2 * 2 * 8 * 2  # tasks, seeds, planners and policies, batches


def test_only_the_cells_of_the_run_are_read(report):
    folder = report(
        tasks=["maze-umaze"],
        seeds=[1],
        planners=["trajectory_diffuser", "draft"],
        policies=["behaviour_cloning"],
        experiments=[],
    )
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores["task"]) == {"maze-umaze"} and set(scores["seed"]) == {1}
    assert set(scores["planner"]) == {"trajectory_diffuser", "draft", "behaviour_cloning"}
    latency = pd.read_csv(folder / "latency.csv")
    assert set(latency["task"]) == {"maze-umaze"} and set(latency["planner"]) == {
        "trajectory_diffuser",
        "draft",
        "behaviour_cloning",
    }
    verdict = json.loads((folder / "verdict.json").read_text())
    answers = {name: claim[next(iter(claim))]["answer"] for name, claim in verdict.items()}
    assert answers["faster_than_full_diffusion"] == "not run"
    assert answers["better_than_its_draft"] == "undecided"  # one seed
    page = (folder / "index.html").read_text()
    assert "hopper" not in page and "full_diffusion is not in the run" in page


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (
            "results/runs/maze-umaze/seed1/evaluation/ddim/episodes.csv",
            "python src/evaluate.py --task maze-umaze --seed 1 --planner ddim",
        ),
        (
            "results/runs/maze-umaze/seed0/value/training.json",
            "python src/train_value.py --task maze-umaze --seed 0",
        ),
        (
            "results/runs/maze-umaze/seed0/policies/behaviour_cloning/curves.csv",
            "python src/train_policy.py --task maze-umaze --seed 0 --policy behaviour_cloning",
        ),
        (
            "results/runs/maze-umaze/seed1/evaluation/behaviour_cloning/episodes.csv",
            "python src/evaluate_policy.py --task maze-umaze --seed 1 --policy behaviour_cloning",
        ),
        (
            "results/runs/maze-umaze/seed0/latency/latency.csv",
            "python src/measure_latency.py --task maze-umaze --seed 0",
        ),
        (
            "results/runs/hopper-medium-expert/scaling/scaling.csv",
            "python src/measure_scaling.py --task hopper-medium-expert",
        ),
        (
            "results/runs/hopper-medium-expert/film/filmstrip.png",
            "python src/film.py --task hopper-medium-expert",
        ),
        ("data/processed/maze-umaze/provenance.json", "python src/prepare_dataset.py --task maze-umaze"),
    ],
)
def test_missing_cell_names_path_and_stage_and_keeps_the_old_report(report, root, path, command):
    (root / path).unlink()
    (root / "results" / "report").mkdir()
    (root / "results" / "report" / "old").touch()
    with pytest.raises(UserError) as error:
        report()
    assert path in str(error.value) and str(error.value).endswith(f"run: {command}")
    assert "\n" not in str(error.value)
    assert [file.name for file in (root / "results" / "report").iterdir()] == ["old"]
    assert sorted(file.name for file in (root / "results").iterdir()) == ["report", "runs"]


def test_planner_that_was_not_timed_is_an_error(params, root):
    path = root / "results/runs/maze-umaze/seed1/latency/latency.csv"
    table = pd.read_csv(path)
    table[table["planner"] != "ddim"].to_csv(path, index=False)
    seal(path)
    with pytest.raises(UserError, match="'ddim' is not in it"):
        read_results(params, root)


def test_scores_that_are_no_numbers_are_an_error(params, root):
    path = root / "results/runs/maze-umaze/seed0/evaluation/ddim/episodes.csv"
    table = pd.read_csv(path)
    table.assign(normalised_score=np.inf).to_csv(path, index=False)
    seal(path)
    with pytest.raises(UserError, match=r"ddim/episodes.csv: normalised_score: not a finite number"):
        read_results(params, root)


def test_every_claim_can_be_lost(params, root, tmp_path):
    params["run"].update(tasks=["hopper-medium-expert"], experiments=[])
    params["make_report"]["claims"]["better_than_two_calls"]["reference"] = "ddim"  # the run has no ddim_2
    results = read_results(params, root)
    scores, latency = results.scores.copy(), results.latency.copy()
    noise = np.random.default_rng(0).normal(0, 0.01, len(scores))
    scores["normalised_score"] = 60 - 20 * (scores["planner"] == "trajectory_diffuser") + noise
    latency.loc[latency["planner"] == "trajectory_diffuser", "decisions_per_second"] = 0.1
    lost = replace(results, scores=scores, latency=latency)
    folder = tmp_path / "lost"
    folder.mkdir()
    write_report(lost, folder)
    verdict = json.loads((folder / "verdict.json").read_text())
    assert len(verdict) == 9
    answers = [entry["answer"] for claim in verdict.values() for entry in claim.values()]
    assert answers == [DID_NOT_HOLD] * 9
    page, text = (folder / "index.html").read_text(), (folder / "verdict.txt").read_text()
    assert page.count(f">{DID_NOT_HOLD}</td>") == 9 and ">held</td>" not in page
    assert text.count(DID_NOT_HOLD.upper()) == 9 and "HELD" not in text
    assert page.index("Is it better than cloning the data") < page.index('id="scores"')


def test_a_report_on_results_from_elsewhere_says_all_but_how_long_they_took(params, root, tmp_path):
    params["run"].update(tasks=["maze-umaze"], experiments=[])
    for file in root.rglob("times.json"):
        file.unlink()
    (tmp_path / "report").mkdir()
    results = read_results(params, root)
    write_report(results, tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "nan" not in page and "How much training" not in page
    assert {row[4] for row in training_table(results, "maze-umaze").rows} == {"-"}
    assert "computing time: -" in tuning_cost(results, "maze-umaze")


def test_without_planners_to_follow_there_is_no_picture_of_their_training(params, root, tmp_path):
    params["run"].update(tasks=["maze-umaze"], experiments=[])
    params["evaluate_training"].update(planners=[])
    (tmp_path / "report").mkdir()
    write_report(read_results(params, root), tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "How much training" not in page
    assert not (tmp_path / "report" / "training_scores.csv").exists()


def test_a_task_that_is_not_measured_for_scaling_has_no_picture_of_it(full_report, params):
    (scaled,) = params["measure_scaling"]["tasks"]
    assert [path.name for path in full_report.glob("figures/scaling_*")] == [f"scaling_{scaled}.svg"]
    assert set(pd.read_csv(full_report / "scaling.csv")["task"]) == {scaled}


@pytest.mark.parametrize("tasks", [["maze-umaze"], ["hopper-medium-expert", "maze-umaze"]])
def test_without_scaling_the_report_stands_and_does_not_mention_it(report, params, tasks):
    params["measure_scaling"]["tasks"] = []
    folder = report(tasks=tasks, experiments=[])
    page = (folder / "index.html").read_text()
    assert "untrained networks" not in page and "scaling" not in page
    assert page.count('href="#speed"') == page.count('id="speed"') == len(tasks) - 1
    assert not (folder / "scaling.csv").exists()


def test_smallest_run_has_a_report(report):
    folder = report(tasks=["hopper-medium-expert"], seeds=[0], planners=["draft"], experiments=[])
    verdict = (folder / "verdict.txt").read_text()
    assert "trajectory_diffuser is not in the run" in verdict
    assert "one training seed, so there are no intervals" in " ".join(verdict.split())
    assert not (folder / "figures" / "plan_refinement.png").exists()
