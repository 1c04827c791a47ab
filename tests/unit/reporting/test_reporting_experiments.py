"""The report shows what came of the experiments."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from seals import seal

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.reporting.experiment_figure import (
    experiment_answer,
    experiment_figure,
    refinement_and_drafts,
)
from trajectory_diffuser.reporting.experiment_frontier import (
    experiment_frontier,
    frontier_points,
    frontier_sentence,
)
from trajectory_diffuser.reporting.experiment_tables import experiment_rows, experiment_table, point_table
from trajectory_diffuser.reporting.markdown import experiments_page
from trajectory_diffuser.reporting.questions import questions
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.style import theme

TASK = "maze-umaze"


def test_a_point_has_the_mean_of_its_episodes(results, root):
    table = experiment_table(results, TASK, "refinement")
    assert len(table) == 2 * (3 * 2 + 2 * 2)  # nothing refined of noise is no planner
    row = table.query("seed == 1 and planner == 'ddim' and refine_steps == 5 and guidance == 2").iloc[0]
    episodes = pd.read_csv(root / f"results/runs/{TASK}/seed1/experiments/refinement/episodes.csv")
    own = episodes.query("planner == 'ddim' and refine_steps == 5 and guidance == 2")["normalised_score"]
    assert row["normalised_score"] == own.mean() == 51
    assert row["plan_distance"] == pytest.approx(1.01)


def test_the_readers_table_has_the_means_over_seeds_of_every_point(results):
    table = point_table(results, TASK, "refinement")
    assert table.headers[:4] == ["planner", "refine steps", "guidance", "normalised score"]
    assert len(table.rows) == 3 * 2 + 2 * 2
    (row,) = [row for row in table.rows if row[:3] == ["ddim", "5", "2"]]
    numbers = experiment_table(results, TASK, "refinement")
    numbers = numbers.query("planner == 'ddim' and refine_steps == 5 and guidance == 2")
    assert row[3:5] == [f"{numbers['normalised_score'].mean():.1f}", f"{numbers['plan_distance'].mean():.2f}"]
    assert row[-1].endswith("ms")


def test_all_points_are_rows_of_one_table(results):
    rows = experiment_rows(results)
    for (task, experiment), own in rows.groupby(["task", "experiment"]):
        table = experiment_table(results, task, experiment)
        own = own.drop(columns=["task", "experiment"])[list(table)].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, table, check_dtype=False)
    assert len(rows) == sum(len(points) for points, _ in results.experiments.values())


def test_two_varied_keys_make_a_grid_per_planner_and_measure(results):
    with theme():
        axes = experiment_figure(results, TASK, "refinement").axes
    assert [axis.get_title().partition(":")[0] for axis in axes] == ["trajectory_diffuser", "ddim"] * 5
    written = [[text.get_text() for text in axis.texts] for axis in axes]
    assert written[0] == ["0", "0", "10", "10", "50", "50"]  # means of 0 and 1, even ones kept in rounding
    assert written[1] == ["10", "10", "50", "50"]
    assert written[2] == ["0.01", "0.01", "0.21", "0.21", "1.00", "1.00"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["0", "1", "5"]
    assert axes[0].get_xlabel() == "guidance" and axes[0].get_ylabel() == "refine steps"


def test_one_varied_key_makes_a_line_per_planner(results):
    with theme():
        scores, distances, actions, entropies, cells = experiment_figure(results, TASK, "warmth").axes
    assert scores.lines[0].get_ydata().tolist() == [0.5, 5.5]
    assert distances.lines[0].get_ydata().tolist() == pytest.approx([0.005, 0.105])
    assert actions.lines[0].get_ydata().tolist() == pytest.approx([0.1, 0.1])
    assert entropies.lines[0].get_ydata().tolist() == [1.5, 1.5]
    assert cells.lines[0].get_ydata().tolist() == [7, 7]


def test_a_second_key_with_a_single_value_makes_lines_too(results):
    results.params["experiments"]["warmth"]["vary"]["guidance"] = [1.0]
    for (_, _, experiment), tables in results.experiments.items():
        for table in tables if experiment == "warmth" else ():
            table["guidance"] = 1.0
    for (_, experiment), table in results.point_times.items():
        table["guidance"] = 1.0 if experiment == "warmth" else table["guidance"]
    with theme():
        scores, *_ = experiment_figure(results, TASK, "warmth").axes
    assert scores.get_xlabel() == "temperature"
    assert scores.lines[0].get_ydata().tolist() == [0.5, 5.5]
    assert "at temperature 0.5, guidance 1;" in experiment_answer(results, TASK, "warmth")


def test_what_is_varied_may_be_a_word(results):
    results.params["experiments"]["warmth"]["vary"] = {"sampler": ["ddim", "ddpm"], "temperature": [0.0, 0.5]}
    for (_, _, experiment), tables in results.experiments.items():
        for table in tables if experiment == "warmth" else ():
            table["sampler"] = ["ddim" if cold else "ddpm" for cold in table["temperature"] == 0.0]
    for (_, experiment), table in results.point_times.items():
        if experiment == "warmth":
            table["sampler"] = ["ddim" if cold else "ddpm" for cold in table["temperature"] == 0.0]
    with theme():
        scores, *_ = experiment_figure(results, TASK, "warmth").axes
    assert [label.get_text() for label in scores.get_yticklabels()] == ["ddim", "ddpm"]
    assert "at sampler ddpm, temperature 0.5;" in experiment_answer(results, TASK, "warmth")
    assert point_table(results, TASK, "warmth").rows[1][1:3] == ["ddpm", "0.5"]
    results.params["experiments"]["warmth"]["vary"] = {"sampler": ["ddim", "ddpm"]}
    results.params["make_report"]["equivalence_margin"] = 50
    with theme():
        scores, *_ = experiment_figure(results, TASK, "warmth").axes
    assert scores.lines[0].get_ydata().tolist() == [0.5, 5.5]
    assert "with sampler ddim or ddpm." in experiment_answer(results, TASK, "warmth")


def test_the_answer_names_the_best_point_and_those_as_good(results):
    answer = experiment_answer(results, TASK, "refinement")
    assert answer.startswith(
        "trajectory_diffuser: best 50.5 at refine steps 5, guidance 1; 2 of 6 points are within 5 of "
        "that, with refine steps 5; guidance 1 to 2. ddim: best "
    )


def test_of_two_ways_it_is_said_how_many_plans_go_each(params, root):
    params["tasks"][TASK]["source"] = params["tasks"][TASK]["source"] | {"detours": 0.2}
    params["run"]["experiments"] = ["warmth"]
    for seed in (0, 1):
        folder = root / f"results/runs/{TASK}/seed{seed}"
        points = pd.read_csv(folder / "experiments/warmth/points.csv")
        points = points.assign(shortest=0.9, detour=[0.0, 0.1 + 0.02 * seed], through=[0.3, 0.0], neither=0.0)
        points.to_csv(folder / "experiments/warmth/points.csv", index=False)
        ways = pd.DataFrame({"planner": ["data", *params["run"]["planners"]], "shortest": 0.8, "detour": 0.2})
        ways = ways.assign(through=0.0, neither=0.0)
        ways.assign(plans=1).to_csv(folder / "diagnosis/ways.csv", index=False)
        np.savez(folder / "diagnosis/ways.npz", data=np.zeros((1, 2, 2)))
        seal(folder / "experiments/warmth/points.csv")
        seal(folder / "diagnosis/ways.csv")
    results = read_results(params, root)
    assert experiment_answer(results, TASK, "warmth").endswith(
        "Of its plans 0 % to 11 %, most at temperature 0.5, take the detour, where 20 % of the data do; "
        "0 % to 30 %, most at temperature 0, lead through the wall."
    )
    for points, _ in results.experiments.values():
        points[["detour", "through"]] = 0.0
    assert experiment_answer(results, TASK, "warmth").endswith(
        "Of its plans 0 % take the detour, where 20 % of the data do; 0 % lead through the wall."
    )
    with theme():
        axes = experiment_figure(results, TASK, "warmth").axes
    assert axes[5].get_ylabel() == "share of plans on the detour"


def test_the_points_that_nothing_beats_in_time_and_score_are_the_frontier(results):
    generator = np.random.default_rng(0)
    for index in range(2):
        points, episodes = results.experiments[TASK, index, "refinement"]
        keys = ["planner", "refine_steps", "guidance"]
        scores = dict(
            zip(points[keys].itertuples(index=False), generator.permutation(len(points)), strict=True)
        )
        episodes["normalised_score"] = [float(scores[row]) for row in episodes[keys].itertuples(index=False)]
    times = results.point_times[TASK, "refinement"]
    times["milliseconds"] = generator.permutation(len(times)) + 1.0
    found = frontier_points(results, TASK, "refinement")
    assert len(found) == 10
    for _, row in found.iterrows():
        beaten = (found["milliseconds"] < row["milliseconds"]) & (found["score"] >= row["score"])
        assert row["best"] == (not beaten.any())
    sentence = frontier_sentence(results, TASK, "refinement")
    assert sentence.count(" ms") == found["best"].sum()
    with theme():
        (axis,) = experiment_frontier(results, TASK, "refinement").axes
    assert sum(len(dots.get_offsets()) for dots in axis.collections if len(dots.get_offsets()) > 1) >= 10


def test_an_experiment_that_was_not_timed_names_its_stage(params, root):
    (root / f"results/runs/{TASK}/experiment_latency/warmth/points.csv").unlink()
    command = r"measure_experiment\.py --task maze-umaze --experiment warmth"
    with pytest.raises(UserError, match=r"points\.csv: missing.*" + command):
        read_results(params, root)


def test_an_experiment_is_shown_on_its_tasks_alone(params, root):
    params["run"]["experiment_tasks"] = [TASK]
    shutil.rmtree(root / "results/runs/hopper-medium-expert/seed0/experiments")
    page = experiments_page(questions(read_results(params, root)))
    assert f"- {TASK}: trajectory_diffuser: best" in page and "- hopper-medium-expert: traj" not in page
    assert f"<details><summary>{TASK}, in numbers</summary>\n\n| planner | " in page


def over_tasks(results, needed, errors):
    """The sentence of made-up tasks, from the steps from which on each scores 90 and its drafts' error."""
    tasks = [f"task-{index}" for index in range(len(needed))]
    settings = {"planners": ["trajectory_diffuser", "ddim"], "vary": {"refine_steps": [0, 1, 5, 20]}}
    experiments, times, diagnoses = {}, {}, {}
    for task, fewest, error in zip(tasks, needed, errors, strict=True):
        points = pd.DataFrame(
            [
                {"planner": planner, "refine_steps": steps, "plan_distance": 0.0}
                for planner in settings["planners"]
                for steps in settings["vary"]["refine_steps"]
            ]
        )
        episodes = points.assign(normalised_score=90.0 * (points["refine_steps"] >= fewest))
        experiments[task, 0, "how_much"] = points, episodes
        times[task, "how_much"] = points.drop(columns="plan_distance").assign(milliseconds=1.0)
        drafts = pd.DataFrame({"step": [1, 2], "drafts": [99, 99], "error": [0.0, error], "spread": 2.0})
        diagnoses[task, 0] = drafts, pd.DataFrame()
    params = results.params | {"experiments": {"how_much": settings}}
    params["run"] = params["run"] | {"tasks": tasks, "experiment_tasks": tasks, "seeds": [0]}
    made_up = {"params": params, "experiments": experiments, "point_times": times, "diagnoses": diagnoses}
    return refinement_and_drafts(replace(results, **made_up), "how_much")


def test_over_tasks_it_is_said_whether_worse_drafts_need_more_steps(results):
    assert over_tasks(results, [0, 20, 5], [0.1, 0.9, 0.5]) == (
        "The fewest steps with which trajectory_diffuser is within 5 of its best are 0 on task-0, 20 on "
        "task-1, 5 on task-2; their rank correlation with how far drafts are off is +1.00."
    )
    # Ranks 1, 3, 2, 4 and 2, 1, 4, 3: Spearman's 1 - 6 (1 + 4 + 4 + 1) / (4 * 15).
    assert over_tasks(results, [0, 5, 1, 20], [0.2, 0.1, 0.9, 0.5]).endswith("off is +0.00.")
    assert "correlation" not in over_tasks(results, [1, 1, 1], [0.1, 0.9, 0.5])
    assert over_tasks(results, [1, 5], [0.1, 0.9]) == ""


def test_an_experiment_that_is_missing_names_its_stage(params, root):
    (root / f"results/runs/{TASK}/seed1/experiments/warmth/points.csv").unlink()
    command = r"evaluate_experiment\.py --task maze-umaze --seed 1 --experiment warmth"
    with pytest.raises(UserError, match=r"points\.csv: missing.*" + command):
        read_results(params, root)
