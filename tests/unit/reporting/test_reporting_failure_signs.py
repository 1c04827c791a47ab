"""The report says which signs of failure show, and which do not."""

import numpy as np
import pandas as pd
import pytest
from seals import seal

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.reporting.failure_signs import (
    draft_error_figure,
    failure_signs,
    shown_signs,
    sign_rows,
    sign_table,
)
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.style import theme

TASK = "maze-umaze"
POOR, COPIED, LOST = "poor drafts", "plans copied from the data", "choice lost to guidance"


def signs_of(results):
    return {(sign.name, sign.of): sign for sign in failure_signs(results, TASK)}


def changed(root, file, column, value):
    """Give a column of both seeds' tables another value, a number or a function of the table."""
    for seed in (0, 1):
        path = root / f"results/runs/{TASK}/seed{seed}/diagnosis/{file}"
        table = pd.read_csv(path)
        table.assign(**{column: value}).to_csv(path, index=False)
        seal(path)


def test_a_sign_shows_where_one_seed_is_beyond_the_limit(results):
    signs = signs_of(results)
    np.testing.assert_allclose(signs[POOR, "draft"].values, [0.3, 0.6])
    showing = {key for key, sign in signs.items() if sign.shows}
    assert showing == {(POOR, "draft"), (COPIED, "ddim"), (LOST, "ddim")}
    assert signs[COPIED, "ddim"].values == pytest.approx([0.01, 0.01])
    assert signs[LOST, "ddim"].values == pytest.approx([0.2, 0.2])
    assert signs[LOST, "trajectory_diffuser"].values == pytest.approx([0.8, 0.8])


def test_lost_diversity_is_told_of_planners_with_noise_and_a_weight_above_1_alone(results):
    assert {of for name, of in signs_of(results) if name == LOST} == {
        "trajectory_diffuser",
        "ddim",
        "warm_start",
    }


def test_without_held_out_episodes_nothing_is_said_of_copies(params, root):
    changed(root, "plans.csv", "nearness", np.nan)
    blind = read_results(params, root)
    assert not any(name == COPIED for name, _ in signs_of(blind))
    assert shown_signs(blind).endswith(f" On {TASK} too little is held out to tell of copies.")


def test_where_no_sign_can_be_told_it_is_said(params, root):
    changed(root, "plans.csv", "nearness", np.nan)
    changed(root, "plans.csv", "guidance", 1.0)
    changed(root, "drafts.csv", "drafts", 0)
    params["run"]["tasks"] = [TASK]
    assert shown_signs(read_results(params, root)).startswith(f"None shows. On {TASK} too little")


def test_a_state_that_few_drafts_reach_is_not_judged_by(params, root):
    changed(root, "drafts.csv", "drafts", lambda table: np.where(table["step"] > 10, 3, 256))
    np.testing.assert_allclose(signs_of(read_results(params, root))[POOR, "draft"].values, [0.2, 0.4])
    changed(root, "drafts.csv", "drafts", 3)
    blind = read_results(params, root)
    assert (POOR, "draft") not in signs_of(blind)
    assert shown_signs(blind).endswith(f" On {TASK} too little is held out to tell of drafts.")


def test_an_error_that_is_no_number_shows(params, root):
    changed(root, "drafts.csv", "error", np.nan)
    assert signs_of(read_results(params, root))[POOR, "draft"].shows


def test_the_table_has_numbers_limits_and_what_shows(results):
    rows = {tuple(row[:2]): row[2:] for row in sign_table(results, TASK).rows}
    assert rows[POOR, "draft"] == ["0.30 to 0.60", "above 0.5", "yes"]
    assert rows[LOST, "warm_start"] == ["0.80 to 0.80", "below 0.5", "no"]


def test_the_numbers_of_all_tasks_are_a_table(results):
    rows = sign_rows(results).set_index(["task", "sign", "of"])
    assert rows.loc[(TASK, POOR, "draft"), ["lowest", "highest"]].tolist() == pytest.approx([0.3, 0.6])
    assert rows["shows"].groupby("task").sum().tolist() == [3, 3]


def test_the_figure_has_a_line_per_seed_and_the_spread(results):
    with theme():
        axes = draft_error_figure(results).axes
    labels = [line.get_label() for line in axes[0].lines]
    assert labels == ["draft, seed 0", "draft, seed 1", "spread of the data"]
    np.testing.assert_allclose(axes[0].lines[1].get_ydata()[-1], 0.6)


def test_a_planner_that_was_not_looked_at_names_the_stage(params, root):
    changed(root, "plans.csv", "planner", lambda table: table["planner"].replace("ddim", "other"))
    with pytest.raises(UserError, match=r"planner: 'ddim' is not in it; run `python src/evaluate_plans\.py"):
        read_results(params, root)
