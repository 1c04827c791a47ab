"""What to take on a task, against plain recomputation from the files."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trajectory_diffuser.reporting.recommendation import (
    recommend,
    recommendation_answer,
    recommendation_table,
    recommended,
)
from trajectory_diffuser.reporting.verdict import Evidence

TRUST = ", and the best are the best of the episodes in which they are compared."
INTERVALS = (
    f"Each interval stands for itself: none is corrected for their number, as the verdict's are{TRUST}"
)
MAZE, HOPPER = "maze-umaze", "hopper-medium-expert"
DRAFTED, OTHERS = ["draft", "trajectory_diffuser"], ["full_diffusion", "ddim", "warm_start"]


def scored(results, task, points):
    """The results with other scores on a task, every episode of a row the same."""
    scores = results.scores.copy()
    own = scores["task"] == task
    scores.loc[own, "normalised_score"] = scores.loc[own, "planner"].map(points)
    return replace(results, scores=scores)


def timed(results, task, milliseconds):
    """The results with other times on a task."""
    latency = results.latency.copy()
    own = latency["task"] == task
    latency.loc[own, "decisions_per_second"] = 1000 / latency.loc[own, "planner"].map(milliseconds)
    return replace(results, latency=latency)


def of_task(results, task):
    return next(each for each in recommend(results) if each.task == task)


def to_take(results, rows):
    return recommended(Evidence(results), MAZE, rows).row


POINTS = {"draft": 88.0, "trajectory_diffuser": 95.0, "full_diffusion": 93.0, "ddim": 91.0}
POINTS |= {"warm_start": 20.0, "behaviour_cloning": 40.0, "best_tenth_cloning": 80.0}
POINTS |= {"return_conditioned_cloning": 84.0}
TIMES = dict(zip(POINTS, [3.0, 6.0, 30.0, 2.0, 2.5, 0.3, 0.2, 0.1], strict=True))


def test_to_take_is_the_fastest_of_those_within_the_margin_of_the_best(results):
    made = timed(scored(results, MAZE, POINTS), MAZE, TIMES)
    assert to_take(made, list(POINTS)) == "ddim"
    assert to_take(made, DRAFTED) == "trajectory_diffuser"  # a draft alone is 7 points behind
    nearer = scored(made, MAZE, POINTS | {"draft": 90.0})
    assert to_take(nearer, DRAFTED) == "draft"
    assert to_take(made, ["best_tenth_cloning", "return_conditioned_cloning"]) == (
        "return_conditioned_cloning"
    )


def test_a_plan_of_several_actions_counts_with_the_time_of_a_decision(results):
    made = timed(scored(results, MAZE, POINTS), MAZE, TIMES)
    own = (made.latency["task"] == MAZE) & (made.latency["planner"] == "full_diffusion")
    made.latency.loc[own, "decisions_per_second"] = 1000.0  # thirty actions of a plan that takes 30 ms
    made.latency.loc[own, "seconds_per_plan"] = 0.03
    assert to_take(made, list(POINTS)) == "full_diffusion"


def test_how_far_planning_is_ahead_is_paired_over_seeds(params, root, results):
    comparison = of_task(results, HOPPER).cloning
    means = []
    for seed in params["run"]["seeds"]:
        folder = root / f"results/runs/{HOPPER}/seed{seed}/evaluation"
        ours, theirs = (
            pd.read_csv(folder / row / "episodes.csv")["normalised_score"]
            for row in (comparison.row, comparison.other)
        )
        means.append((ours - theirs).mean())
    assert comparison.ahead.mean == pytest.approx(np.mean(means))
    assert comparison.ahead.error >= stats.sem(means) * (1 - 1e-9)


def test_the_table_says_what_to_take_of_all_and_of_the_planners(results):
    made = results
    for task in (HOPPER, MAZE):
        made = timed(scored(made, task, POINTS), task, TIMES)
    made = scored(made, HOPPER, POINTS | {"return_conditioned_cloning": 99.0})
    hopper, maze = recommendation_table(made, recommend(made)).rows
    assert maze[:7] == [MAZE, "ddim", "91.0", "2 ms", "ddim", "91.0", "2 ms"]
    assert maze[7].startswith("trajectory_diffuser +11.0 [")
    assert maze[7].endswith("] on return_conditioned_cloning")
    assert maze[8].startswith("trajectory_diffuser +2.0 [") and maze[8].endswith("] on full_diffusion")
    assert re.sub(r"\[.*?\]", "", maze[9]) == (
        "ddim -4.0  on trajectory_diffuser; ddim +3.0  on draft; ddim +71.0  on warm_start"
    )
    assert hopper[:7] == [HOPPER, "return_conditioned_cloning", "99.0", "0.1 ms", "ddim", "91.0", "2 ms"]


def test_the_answer_names_the_tasks_where_planning_and_where_a_draft_pays(results):
    made = results
    for task in (HOPPER, MAZE):
        made = timed(scored(made, task, POINTS), task, TIMES)
    assert recommendation_answer(made, recommend(made)) == (
        f"Planning scores more than cloned actions on {HOPPER}, {MAZE}, more than return-conditioned cloning "
        f"alone on {HOPPER}, {MAZE}. With a draft planners score more than without on no task of the run. "
        f"{INTERVALS}"
    )
    made = scored(made, MAZE, POINTS | {"trajectory_diffuser": 97.5, "full_diffusion": 80.0})
    made = timed(made, HOPPER, TIMES | {"trajectory_diffuser": 1.0})
    made = scored(made, HOPPER, POINTS | {"best_tenth_cloning": 93.0})
    assert recommendation_answer(made, recommend(made)) == (
        f"Planning scores more than cloned actions on {MAZE}, more than return-conditioned cloning alone on "
        f"{HOPPER}, {MAZE}. With a draft planners score more than without on {MAZE}; they score as much, in "
        f"less time, on {HOPPER}. {INTERVALS}"
    )


def test_a_lead_whose_interval_reaches_below_zero_is_none(results):
    made = timed(scored(results, MAZE, POINTS), MAZE, TIMES)
    scores = made.scores
    own = (scores["task"] == MAZE) & (scores["planner"] == "ddim")
    scores.loc[own & (scores["seed"] == 0), "normalised_score"] += 20.0
    scores.loc[own & (scores["seed"] == 1), "normalised_score"] -= 10.0
    comparison = of_task(made, MAZE).cloning
    assert comparison.row == "ddim" and comparison.ahead.mean > 5.0
    assert MAZE not in recommendation_answer(made, recommend(made)).split(".")[0]


def test_of_one_seed_it_is_said_that_there_are_means_alone(results):
    params = results.params | {"run": results.params["run"] | {"seeds": [0]}}
    one = replace(results, params=params, scores=results.scores[results.scores["seed"] == 0])
    answer = recommendation_answer(one, recommend(one))
    assert answer.endswith(f"With one seed that is said of means alone{TRUST}")


def test_without_policies_or_without_a_draft_there_is_nothing_to_compare(results):
    params = results.params
    alone = replace(results, params=params | {"run": params["run"] | {"policies": [], "planners": OTHERS}})
    assert of_task(alone, MAZE).cloning is None
    assert of_task(alone, MAZE).drafts is None
    assert recommendation_answer(alone, recommend(alone)) == ""
    assert all(row[7:9] == ["-", "-"] for row in recommendation_table(alone, recommend(alone)).rows)
