"""The report's numbers against plain recomputation from the files."""

import json

import numpy as np
import pandas as pd
import pytest

from trajectory_diffuser.reporting.artefacts import read_results
from trajectory_diffuser.reporting.data_cards import collected_here, data_card
from trajectory_diffuser.reporting.statistics import bootstrap_means, compare, confidence_interval, headline


@pytest.fixture
def results(params, root):
    return read_results(params, root)


def episodes(root, task, seed, planner):
    return pd.read_csv(root / f"results/runs/{task}/seed{seed}/evaluation/{planner}/episodes.csv")


def test_headline_is_what_the_files_say(params, root, results):
    table = headline(results)
    assert len(table) == len(params["run"]["tasks"]) * len(results.planners) == 2 * (5 + 1)
    for row in table.itertuples():
        files = [episodes(root, row.task, seed, row.planner) for seed in params["run"]["seeds"]]
        means = np.array([file["normalised_score"].mean() for file in files])
        assert row.mean == pytest.approx(means.mean())
        assert row.spread == pytest.approx(np.sqrt(((means - means.mean()) ** 2).sum() / (len(means) - 1)))
        assert row.episodes == sum(len(file) for file in files)
        assert row.low < row.mean < row.high
        latency = pd.read_csv(root / f"results/runs/{row.task}/latency/latency.csv")
        latency = latency[latency["batch"] == 1].set_index("planner")
        assert row.seconds_per_plan == latency["seconds_per_plan"][row.planner]
        rates = latency["decisions_per_second"]
        assert row.speedup == pytest.approx(rates[row.planner] / rates["full_diffusion"])
        if row.task == "maze-umaze":
            assert row.success == pytest.approx(np.mean([file["success"].mean() for file in files]))
            crossings = [file["wall_crossing_fraction"].mean() for file in files]
            assert row.wall_crossing == pytest.approx(np.mean(crossings))
        else:
            assert np.isnan(row.success) and np.isnan(row.wall_crossing)


def test_intervals_are_deterministic_and_narrow_with_more_episodes():
    generator = np.random.default_rng(0)
    few = [generator.normal(50, 10, size=10) for _ in range(3)]
    many = [generator.normal(50, 10, size=1000) for _ in range(3)]
    assert confidence_interval(few, 0.95, 500, seed=1) == confidence_interval(few, 0.95, 500, seed=1)
    width = {len(groups[0]): np.ptp(confidence_interval(groups, 0.95, 500, seed=1)) for groups in (few, many)}
    assert width[1000] < width[10] / 3


def test_bootstrap_resamples_seeds_and_episodes():
    # Without spread inside the seeds, only the choice of seeds varies: 0, 5 or 10, in shares 1, 2, 1.
    means = bootstrap_means([np.zeros(4), np.full(6, 10.0)], samples=4000, seed=0)
    values, counts = np.unique(means, return_counts=True)
    assert values.tolist() == [0.0, 5.0, 10.0]
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)
    # One seed: the ordinary bootstrap, whose standard deviation is that of a mean.
    sample = np.random.default_rng(1).normal(size=50)
    means = bootstrap_means([sample], samples=4000, seed=0)
    assert means.std() == pytest.approx(sample.std() / np.sqrt(50), rel=0.05)
    assert means.mean() == pytest.approx(sample.mean(), abs=0.02)


def test_interval_covers_the_true_mean_as_often_as_it_says():
    generator = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        low, high = confidence_interval([generator.normal(3, 1, size=40)], 0.9, 300, seed=trial)
        covered += low <= 3 <= high
    assert covered / 200 == pytest.approx(0.9, abs=0.06)


def test_comparison_pairs_the_episodes_that_both_ran(params, root, results):
    for comparison in compare(results, "full_diffusion"):
        differences = []
        for seed in params["run"]["seeds"]:
            both = pd.merge(
                episodes(root, comparison.task, seed, "trajectory_diffuser"),
                episodes(root, comparison.task, seed, "full_diffusion"),
                on="environment_seed",
            )
            assert len(both) == params["planners"]["full_diffusion"]["episodes"]
            differences.append((both["normalised_score_x"] - both["normalised_score_y"]).mean())
        assert comparison.difference == pytest.approx(np.mean(differences))
        assert comparison.episodes == 2 * params["planners"]["full_diffusion"]["episodes"]
        assert comparison.low < comparison.difference < comparison.high
        assert comparison.finding == "higher"


@pytest.mark.parametrize(
    ("shift", "finding"), [(40.0, "higher"), (0.0, "no detectable difference"), (-40.0, "lower")]
)
def test_finding_follows_the_data(results, shift, finding):
    scores = results.scores
    noise = np.random.default_rng(3).normal(0, 5, size=len(scores))
    mine = scores["planner"] == "trajectory_diffuser"
    scores["normalised_score"] = 50 + noise + np.where(mine, shift, 0.0)
    assert {comparison.finding for comparison in compare(results, "draft")} == {finding}


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
    rows = dict(data_card(read_results(params, root), "maze-umaze").rows)
    assert rows["score of a perfect imitation"].startswith("unknown: evaluation sets continuing_task to true")


def test_data_collected_here_is_told_from_data_from_elsewhere(params, root):
    path = root / "data" / "processed" / "maze-umaze" / "provenance.json"
    record = json.loads(path.read_text()) | {
        "source": {"kind": "minari", "dataset": "D4RL/pointmaze/umaze-v2"}
    }
    path.write_text(json.dumps(record))
    results = read_results(params, root)
    assert [collected_here(results, task) for task in results.tasks] == [True, False]
