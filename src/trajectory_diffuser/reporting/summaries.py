"""Scores and times of the run's planners, on the episodes that all of them have."""

import math

import numpy as np
import pandas as pd

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments.ways import has_two_ways
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.statistics import (
    Estimate,
    difference_estimate,
    interquartile_mean,
    probability_of_improvement,
    seed_estimate,
)

Scores = dict[tuple[str, int], pd.DataFrame]


def common_scores(results: Results) -> Scores:
    """Normalised scores of the episodes that every planner has, keyed by (task, seed).

    Each is a table [episodes, planners], indexed by environment seed: a row holds what all planners made of
    the same start, with networks of the same training seed. Raises `UserError` where there is none.
    """
    scores = {}
    for (task, seed), part in results.scores.groupby(["task", "seed"]):
        table = part.pivot(index="environment_seed", columns="planner", values="normalised_score").dropna()
        if table.empty:
            raise UserError(
                f"results/runs/{task}/seed{seed}/evaluation: the planners have no environment seed in "
                "common; run `python src/evaluate.py` again for all of them"
            )
        scores[task, seed] = table
    return scores


def common_episodes(results: Results) -> pd.DataFrame:
    """The rows of `results.scores` that `common_scores` are of."""
    common = common_scores(results)
    return pd.concat(
        part[part["environment_seed"].isin(common[run].index)]
        for run, part in results.scores.groupby(["task", "seed"])
    )


def mean_score(results: Results, scores: Scores, planner: str, tasks: list[str]) -> Estimate:
    """A planner's mean over training seeds and `tasks`."""
    return seed_estimate(
        [[scores[task, seed][planner].to_numpy() for task in tasks] for seed in results.seeds]
    )


def mean_difference(results: Results, scores: Scores, planner: str, other: str, tasks: list[str]) -> Estimate:
    """How far a planner is ahead of another, in pairs of episodes."""
    pairs = [[scores[task, seed][[planner, other]].to_numpy() for task in tasks] for seed in results.seeds]
    return difference_estimate([[pair[:, 0] - pair[:, 1] for pair in row] for row in pairs])


def runs(results: Results, scores: Scores, planner: str) -> np.ndarray:
    """A planner's score in every run, [seeds, tasks]: the mean of its episodes."""
    return np.array(
        [[scores[task, seed][planner].mean() for task in results.tasks] for seed in results.seeds]
    )


def headline(results: Results, tasks: list[str]) -> pd.DataFrame:
    """One row per task of `tasks` and planner, over the episodes that all planners have.

    Columns: task, planner, mean (of the seeds' mean normalised scores), lowest and highest (of those means),
    low and high (confidence interval of the mean; NaN with one seed), seeds, episodes (of all seeds),
    success, wall_crossing and shortest_way (fractions; NaN without goal, walls or detours in the data),
    batch (the smallest measured), seconds_per_plan, decisions_per_second (NaN for rivals, which are not
    timed).
    """
    confidence = results.params["make_report"]["confidence"]
    latency, scores = smallest_batch(results), common_scores(results)
    kept, rows = common_episodes(results), []
    for task in tasks:
        two_ways = has_two_ways(results.params["tasks"][task]["source"])
        for planner in results.planners:
            estimate = mean_score(results, scores, planner, [task])
            low, high = estimate.interval(confidence)
            by_seed = kept.query("task == @task and planner == @planner").groupby("seed")
            means = by_seed["normalised_score"].mean()
            time = latency.loc[(task, planner)]
            rows.append(
                {
                    "task": task,
                    "planner": planner,
                    "mean": estimate.mean,
                    "lowest": means.min(),
                    "highest": means.max(),
                    "low": low,
                    "high": high,
                    "seeds": estimate.seeds,
                    "episodes": int(by_seed.size().sum()),
                    "success": by_seed["success"].mean().mean(),
                    "wall_crossing": by_seed["wall_crossing_fraction"].mean().mean(),
                    "shortest_way": by_seed["shortest_way"].mean().mean() if two_ways else math.nan,
                    "batch": int(latency.loc[task, "batch"].min()),
                    "seconds_per_plan": time["seconds_per_plan"],
                    "decisions_per_second": time["decisions_per_second"],
                }
            )
    return pd.DataFrame(rows)


def over_tasks(results: Results) -> pd.DataFrame:
    """One row per planner: mean, interquartile mean, and how probably the subject improves on it."""
    scores = common_scores(results)
    subject = runs(results, scores, results.subject)
    rows = []
    for planner in results.planners:
        own = runs(results, scores, planner)
        rows.append(
            {
                "planner": planner,
                "mean": own.mean(),
                "interquartile_mean": interquartile_mean(own),
                "improved_by_subject": probability_of_improvement(subject, own),
            }
        )
    return pd.DataFrame(rows)


def mean_times(latency: pd.DataFrame) -> pd.DataFrame:
    """A row per task, planner and batch of latency rows: means over seeds; rates are averaged as times."""
    rates = ["plans_per_second", "decisions_per_second"]
    by_seed = latency.assign(**{rate: 1 / latency[rate] for rate in rates})
    conditions = dict.fromkeys(
        ("device", "threads", "repetitions"), lambda all_: ", ".join(map(str, all_.unique()))
    )
    rest = by_seed.columns.difference(["task", "seed", "planner", "batch", *conditions])
    means = by_seed.groupby(["task", "planner", "batch"], sort=False).agg(
        conditions | dict.fromkeys(rest, "mean")
    )
    return means.assign(**{rate: 1 / means[rate] for rate in rates}).reset_index()


def times_by_seed(results: Results) -> pd.DataFrame:
    """The latency rows of each task's smallest batch, by (task, planner, seed)."""
    rows = results.latency.sort_values("batch").drop_duplicates(["task", "planner", "seed"])
    return rows.set_index(["task", "planner", "seed"])


def smallest_batch(results: Results) -> pd.DataFrame:
    """The mean times of each task's smallest batch, by (task, planner); NaN for what was not timed."""
    times = mean_times(times_by_seed(results).reset_index())
    timed = times.set_index(["task", "planner"])
    return timed.reindex(
        pd.MultiIndex.from_product([results.tasks, results.planners], names=timed.index.names)
    )
