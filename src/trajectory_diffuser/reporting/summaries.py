"""Scores and times of the run's planners, on the episodes that all of them have."""

import numpy as np
import pandas as pd

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.statistics import (
    interquartile_mean,
    probability_of_improvement,
    seed_estimate,
)


def common_scores(results: Results) -> pd.DataFrame:
    """Normalised scores, a column per planner, of the episodes that every planner has.

    Indexed by (task, seed, environment_seed): a row holds what all planners made of the same start with
    networks of the same training seed. Raises `UserError` where a task and a seed have no such episode.
    """
    index = ["task", "seed", "environment_seed"]
    table = results.scores.pivot(index=index, columns="planner", values="normalised_score").dropna()
    for task in results.tasks:
        for seed in results.seeds:
            if (task, seed) not in table.index:
                raise UserError(
                    f"results/runs/{task}/seed{seed}/evaluation: the planners have no environment seed in "
                    "common; run `python src/evaluate.py` again for all of them"
                )
    return table


def episode_groups(results: Results, values: pd.Series, tasks: list[str]) -> list[list[np.ndarray]]:
    """Values of episodes, indexed like `common_scores`, as groups[seed][task]: [episodes]."""
    return [[values.loc[task, seed].to_numpy() for task in tasks] for seed in results.seeds]


def runs(results: Results, scores: pd.DataFrame, planner: str) -> np.ndarray:
    """A planner's score in every run, [seeds, tasks]: the mean of its episodes among `scores`."""
    groups = episode_groups(results, scores[planner], results.tasks)
    return np.array([[values.mean() for values in tasks] for tasks in groups])


def headline(results: Results) -> pd.DataFrame:
    """One row per task and planner, over the episodes that all planners have.

    Columns: task, planner, mean (of the seeds' mean normalised scores), lowest and highest (of those means),
    low and high (confidence interval of the mean; NaN with one seed), seeds, episodes (of all seeds), success
    and wall_crossing (fractions; NaN without goal or walls), batch (the smallest measured), seconds_per_plan,
    decisions_per_second.
    """
    confidence = results.params["make_report"]["confidence"]
    latency, scores = smallest_batch(results), common_scores(results)
    kept = results.scores.set_index(["task", "seed", "environment_seed"])
    kept = kept[kept.index.isin(scores.index)].reset_index()
    rows = []
    for task in results.tasks:
        for planner in results.planners:
            estimate = seed_estimate(episode_groups(results, scores[planner], [task]))
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
                    "episodes": len(scores.loc[task]),
                    "success": by_seed["success"].mean().mean(),
                    "wall_crossing": by_seed["wall_crossing_fraction"].mean().mean(),
                    "batch": time["batch"],
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


def smallest_batch(results: Results) -> pd.DataFrame:
    """The latency rows of each task's smallest batch, indexed by (task, planner)."""
    smallest = results.latency.groupby("task")["batch"].transform("min")
    return results.latency[results.latency["batch"] == smallest].set_index(["task", "planner"])
