"""Scores of several seeds and episodes: means, spreads, bootstrap intervals, and paired comparisons."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.seeding import derive_seed
from trajectory_diffuser.reporting.artefacts import Results

SUBJECT = "trajectory_diffuser"
REFERENCE = "full_diffusion"


def bootstrap_means(groups: list[np.ndarray], samples: int, seed: int) -> np.ndarray:
    """Means of `samples` resamplings in two levels: seeds with replacement, then episodes of each drawn seed.

    `groups` has one array of per-episode values, [episodes], per training seed; the mean of a resampling is
    the mean over its drawn seeds of their episode means. With one seed this is the ordinary bootstrap over
    its episodes.

    Returns float64 [samples].
    """
    generator = np.random.default_rng(seed)
    seeds = len(groups)
    drawn = generator.integers(seeds, size=(samples, seeds))  # which seed fills which place
    places = np.empty((seeds, samples, seeds))  # an episode mean of every seed for every place
    for index, values in enumerate(groups):
        episodes = generator.integers(len(values), size=(samples, seeds, len(values)))
        places[index] = values[episodes].mean(axis=-1)
    return np.take_along_axis(places, drawn[None], axis=0)[0].mean(axis=-1)


def confidence_interval(
    groups: list[np.ndarray], confidence: float, samples: int, seed: int
) -> tuple[float, float]:
    """Percentile interval of `bootstrap_means`, at the level `confidence` (in (0, 1))."""
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(bootstrap_means(groups, samples, seed), [tail, 1.0 - tail])
    return float(low), float(high)


def headline(results: Results) -> pd.DataFrame:
    """One row per task and planner.

    Columns: task, planner, mean (of the seeds' mean normalised scores), spread (their standard deviation;
    NaN with one seed), low and high (confidence interval of the mean), seeds, episodes (of all seeds),
    success and wall_crossing (fractions; NaN without goal or walls), batch (the smallest measured),
    seconds_per_plan, decisions_per_second, speedup (how many times full_diffusion's decisions per second;
    NaN when that did not run).
    """
    settings = results.params["make_report"]
    latency = smallest_batch(results)
    rows = []
    for task in results.tasks:
        for planner in results.planners:
            scores = results.scores.query("task == @task and planner == @planner")
            by_seed = scores.groupby("seed")
            means = by_seed["normalised_score"].mean()
            low, high = confidence_interval(
                [group.to_numpy() for _, group in by_seed["normalised_score"]],
                settings["confidence"],
                settings["bootstrap_samples"],
                derive_seed(settings["seed"], task, planner),
            )
            time = latency.loc[(task, planner)]
            reference = latency["decisions_per_second"].get((task, REFERENCE), np.nan)
            rows.append(
                {
                    "task": task,
                    "planner": planner,
                    "mean": means.mean(),
                    "spread": means.std(),
                    "low": low,
                    "high": high,
                    "seeds": len(means),
                    "episodes": len(scores),
                    "success": by_seed["success"].mean().mean(),
                    "wall_crossing": by_seed["wall_crossing_fraction"].mean().mean(),
                    "batch": time["batch"],
                    "seconds_per_plan": time["seconds_per_plan"],
                    "decisions_per_second": time["decisions_per_second"],
                    "speedup": time["decisions_per_second"] / reference,
                }
            )
    return pd.DataFrame(rows)


def smallest_batch(results: Results) -> pd.DataFrame:
    """The latency rows of each task's smallest batch, indexed by (task, planner)."""
    smallest = results.latency.groupby("task")["batch"].transform("min")
    return results.latency[results.latency["batch"] == smallest].set_index(["task", "planner"])


@dataclass(frozen=True)
class Comparison:
    """trajectory_diffuser minus `opponent` on `task`, in normalised score, on the episodes that both ran."""

    task: str
    opponent: str
    difference: float
    low: float
    high: float
    episodes: int
    times_faster: float  # trajectory_diffuser's decisions per second over the opponent's

    @property
    def finding(self) -> str:
        """`higher`, `lower`, or `no detectable difference` when the interval holds zero."""
        if self.low > 0:
            return "higher"
        return "lower" if self.high < 0 else "no detectable difference"


def compare(results: Results, opponent: str) -> list[Comparison]:
    """trajectory_diffuser against `opponent`, one comparison per task.

    Both use the same networks (same training seed) and start from the same states (same environment seed), so
    episodes are compared in pairs: the spread between seeds and between starts drops out of the difference.
    """
    settings = results.params["make_report"]
    rates = smallest_batch(results)["decisions_per_second"]
    paired = results.scores.pivot(
        index=["task", "seed", "environment_seed"], columns="planner", values="normalised_score"
    )
    difference = (paired[SUBJECT] - paired[opponent]).dropna()
    comparisons = []
    for task in results.tasks:
        if task not in difference.index.get_level_values("task"):
            raise UserError(
                f"results/runs/{task}: {SUBJECT} and {opponent} have no environment seed in common; "
                f"run `python src/evaluate.py` again for both"
            )
        by_seed = difference.loc[task].groupby("seed")
        low, high = confidence_interval(
            [group.to_numpy() for _, group in by_seed],
            settings["confidence"],
            settings["bootstrap_samples"],
            derive_seed(settings["seed"], task, SUBJECT, opponent),
        )
        comparisons.append(
            Comparison(
                task=task,
                opponent=opponent,
                difference=float(by_seed.mean().mean()),
                low=low,
                high=high,
                episodes=len(difference.loc[task]),
                times_faster=float(rates[task, SUBJECT] / rates[task, opponent]),
            )
        )
    return comparisons


def metrics(results: Results) -> dict[str, dict[str, float]]:
    """The few numbers that `dvc exp show` lists: mean score per task and planner, speed-up per task."""
    table = headline(results)
    named: dict[str, dict[str, float]] = {task: {} for task in results.tasks}
    for row in table.itertuples():
        named[row.task][row.planner] = round(row.mean, 1)
    speedup = table[table["planner"] == SUBJECT].set_index("task")["speedup"].dropna()
    if len(speedup):
        named["plan_speedup"] = {task: round(value, 1) for task, value in speedup.items()}
    return named
