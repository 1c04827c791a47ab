"""The report says which signs of failure show, and which do not."""

import json

import numpy as np
import pytest
from seals import seal

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.reporting.artefacts import read_results
from trajectory_diffuser.reporting.failure_signs import draft_error_figure, failure_signs, sign_table
from trajectory_diffuser.reporting.style import theme

TASK = "maze-umaze"


@pytest.fixture
def results(params, root):
    return read_results(params, root)


def signs_of(results):
    return {(sign.name, sign.of): sign for sign in failure_signs(results, TASK)}


def test_a_sign_shows_where_one_seed_is_beyond_the_limit(results):
    signs = signs_of(results)
    poor = signs["poor drafts", "draft"]
    np.testing.assert_allclose(poor.values, [0.3, 0.6])
    assert poor.shows
    showing = {key for key, sign in signs.items() if sign.shows}
    copied, lost = ("plans copied from the data", "ddim"), ("choice lost to guidance", "ddim")
    assert showing == {("poor drafts", "draft"), copied, lost}
    assert signs[copied].values == pytest.approx([0.01, 0.01])
    assert signs[lost].values == pytest.approx([0.2, 0.2])
    assert signs["choice lost to guidance", "trajectory_diffuser"].values == pytest.approx([0.8, 0.8])


def test_a_planner_without_noise_has_no_choice_to_lose(results):
    assert ("choice lost to guidance", "draft") not in signs_of(results)


def test_without_held_out_episodes_nothing_is_said_of_copies(params, root):
    for seed in (0, 1):
        file = root / f"results/runs/{TASK}/seed{seed}/diagnosis/diagnosis.json"
        file.write_text(json.dumps({"held_out_nearest": None}))
        seal(file)
    signs = signs_of(read_results(params, root))
    assert not any(name == "plans copied from the data" for name, _ in signs)


def test_the_table_has_numbers_limits_and_what_shows(results):
    rows = {tuple(row[:2]): row[2:] for row in sign_table(results, TASK).rows}
    assert rows["poor drafts", "draft"] == ["0.45", "0.30 to 0.60", "above 0.5", "yes"]
    assert rows["choice lost to guidance", "warm_start"] == ["0.80", "0.80 to 0.80", "below 0.5", "no"]


def test_the_figure_has_a_line_per_seed_and_the_spread(results):
    with theme():
        axes = draft_error_figure(results).axes
    assert [line.get_label() for line in axes[0].lines] == [
        "draft, seed 0",
        "draft, seed 1",
        "spread of the data",
    ]
    np.testing.assert_allclose(axes[0].lines[1].get_ydata()[-1], 0.6)


def test_a_planner_that_was_not_looked_at_names_the_stage(params, root):
    file = root / f"results/runs/{TASK}/seed1/diagnosis/plans.csv"
    file.write_text(file.read_text().replace("ddim,", "other,"))
    seal(file)
    with pytest.raises(UserError, match=r"planner: 'ddim' is not in it; run `python src/evaluate_plans\.py"):
        read_results(params, root)
