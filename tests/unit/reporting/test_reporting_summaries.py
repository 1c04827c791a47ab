"""The report's numbers against plain recomputation from the files."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from seals import seal

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.reporting.data_cards import collected_here, data_card
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.summaries import common_scores, headline, over_tasks


def episodes(root, task, seed, planner):
    return pd.read_csv(root / f"results/runs/{task}/seed{seed}/evaluation/{planner}/episodes.csv")


def test_headline_is_what_the_files_say(params, root, results):
    table = headline(results, results.tasks)
    assert len(table) == len(params["run"]["tasks"]) * len(results.planners) == 2 * (5 + 3)
    for row in table.itertuples():
        files = [episodes(root, row.task, seed, row.planner) for seed in params["run"]["seeds"]]
        means = np.array([file["normalised_score"].mean() for file in files])
        assert row.mean == pytest.approx(means.mean())
        assert (row.lowest, row.highest) == pytest.approx((means.min(), means.max()))
        low, high = stats.ttest_1samp(means, 0).confidence_interval(0.95)
        assert (row.low, row.high) == pytest.approx((low, high))
        assert row.episodes == 20
        timed = (root / f"results/runs/{row.task}").glob("seed*/latency/latency.csv")
        times = [pd.read_csv(file).set_index(["planner", "batch"]).loc[(row.planner, 1)] for file in timed]
        assert len(times) == 2
        assert row.seconds_per_plan == pytest.approx(np.mean([time["seconds_per_plan"] for time in times]))
        mean = np.mean([1 / time["decisions_per_second"] for time in times])
        assert 1 / row.decisions_per_second == pytest.approx(mean)
        if row.task == "maze-umaze":
            assert row.success == pytest.approx(np.mean([file["success"].mean() for file in files]))
            crossings = [file["wall_crossing_fraction"].mean() for file in files]
            assert row.wall_crossing == pytest.approx(np.mean(crossings))
        else:
            assert np.isnan(row.success) and np.isnan(row.wall_crossing)


def test_every_planner_is_judged_on_the_same_episodes(results):
    own = results.scores["planner"] == "full_diffusion"
    left = results.scores[~own | (results.scores["environment_seed"] < 10005)]
    scores = common_scores(replace(results, scores=left))
    assert {len(table) for table in scores.values()} == {5}  # the others ran ten
    one = scores["maze-umaze", 1]["ddim"]
    truth = results.scores.query("task == 'maze-umaze' and seed == 1 and planner == 'ddim'").head(5)
    assert one.tolist() == truth["normalised_score"].tolist()


def test_planners_without_a_common_episode_are_an_error(results):
    results.scores.loc[results.scores["planner"] == "ddim", "environment_seed"] += 100
    with pytest.raises(
        UserError, match=r"hopper-medium-expert/seed0/evaluation: .* no environment seed in common"
    ):
        common_scores(results)


def test_measures_over_tasks_are_of_runs(results):
    table, scores = over_tasks(results).set_index("planner"), common_scores(results)
    runs = pd.DataFrame({run: table.mean() for run, table in scores.items()}).T
    for planner in results.planners:
        assert table["mean"][planner] == pytest.approx(runs[planner].mean())
        assert table["interquartile_mean"][planner] == pytest.approx(np.sort(runs[planner])[1:3].mean())
    assert table["improved_by_subject"]["warm_start"] == 1
    assert table["improved_by_subject"]["trajectory_diffuser"] == 0.5


def test_the_score_of_a_perfect_imitation_is_that_of_the_datas_mean_return(params, root):
    results = read_results(params, root)
    for task in results.tasks:
        returns = results.data[task].returns.astype(float)
        expected = 100 * (returns.mean() - 3.5) / (3234.3 - 3.5)
        rows = dict(data_card(results, task).rows)
        assert rows["score of a perfect imitation"].startswith(f"{expected:.1f} (the data's mean return)")
        assert results.data[task].lengths.sum() == results.provenance[task]["steps"]


def test_no_imitation_score_where_evaluation_rewards_otherwise_than_the_data(params, root):
    path = root / "data" / "processed" / "maze-umaze" / "provenance.json"
    origin = {"arguments": {"continuing_task": False, "reset_target": False}}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"origin": origin}))
    seal(path)
    rows = dict(data_card(read_results(params, root), "maze-umaze").rows)
    assert rows["score of a perfect imitation"].startswith("unknown: evaluation sets continuing_task to true")


def test_data_collected_here_is_told_from_data_from_elsewhere(params, root):
    path = root / "data" / "processed" / "maze-umaze" / "provenance.json"
    record = json.loads(path.read_text()) | {
        "source": {"kind": "minari", "dataset": "D4RL/pointmaze/umaze-v2"}
    }
    path.write_text(json.dumps(record))
    seal(path)
    results = read_results(params, root)
    assert [collected_here(results, task) for task in results.tasks] == [True, False]


def test_data_of_longer_episodes_than_evaluations_are_said_to_be(params, root):
    results = read_results(params, root)
    limits = (results.provenance["maze-umaze"]["episode_length"]["max"] - shorter for shorter in (0, 1))
    for limit, said in zip(limits, (False, True), strict=True):
        results.params["tasks"]["maze-umaze"]["environment"]["max_episode_steps"] = limit
        length = dict(data_card(results, "maze-umaze").rows)["episode length"]
        assert (f"an evaluation ends after {limit}" in length) is said
