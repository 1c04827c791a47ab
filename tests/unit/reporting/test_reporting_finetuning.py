"""The report shows what came of online fine-tuning."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reporting.made_up_run import write_run

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.reporting.finetuning import (
    finetuning_answer,
    finetuning_figure,
    finetuning_table,
    round_table,
)
from trajectory_diffuser.reporting.markdown import experiments_page
from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.questions import questions
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.style import theme

TASK, PLANNER = "maze-umaze", "trajectory_diffuser"
NETWORKS = ["transformer", "diffusion", "inverse_dynamics"]
VARIANTS = {"all": NETWORKS} | {f"only_{name}": [name] for name in NETWORKS}


@pytest.fixture
def root(params, tmp_path):
    """A repository's root with a run in which a planner was fine-tuned."""
    params["run"].update(tasks=[TASK], experiments=[])
    params["finetune"].update(tasks=[TASK], planners=[PLANNER], variants=VARIANTS)
    write_run(params, tmp_path)
    return tmp_path


@pytest.fixture
def results(params, root):
    return read_results(params, root)


@pytest.fixture
def answer(results):
    """A function of other gains, and of what each variant trains."""

    def of(gains):
        rows = [
            {"task": TASK, "seed": 0, "planner": PLANNER, "variant": variant, "trained": trained}
            | {"round": number, "environment_steps": 100 * number, "normalised_score": 50 + gain * number / 2}
            for variant, (trained, gain) in gains.items()
            for number in range(3)
        ]
        return finetuning_answer(replace(results, finetuning=pd.DataFrame(rows)), TASK)

    return of


def test_a_point_is_the_mean_of_a_seeds_episodes_after_a_round(results):
    table = finetuning_table(results, TASK)
    assert len(table) == 5 * 3 * 2
    row = table.query("variant == 'only_diffusion' and round == 1 and seed == 1").iloc[0]
    assert (row["environment_steps"], row["score"]) == (1010, 50 + 1 + 8)


def test_there_is_a_line_per_variant_with_the_spread_of_seeds(results):
    with theme():
        (axis,) = finetuning_figure(results, TASK).axes
    assert axis.get_title() == PLANNER
    lines = {container.get_label(): container for container in axis.containers}
    assert list(lines) == [*VARIANTS, "nothing_collected"]
    np.testing.assert_array_equal(  # which has no steps of its own
        *(lines[name][0].get_xdata(orig=False) for name in ("nothing_collected", "all"))
    )
    line, _, (bars,) = lines["all"]
    np.testing.assert_allclose(line.get_xdata(orig=False), [0, 1005, 2010])
    np.testing.assert_allclose(line.get_ydata(orig=False), [50.5, 60.5, 70.5])
    np.testing.assert_allclose(bars.get_segments()[2][:, 1], [70, 71])


def test_the_answer_names_what_gains_most_and_what_limits(results):
    assert finetuning_answer(results, TASK) == (
        "trajectory_diffuser scores 50.5 before, and after so many collected steps all +20.0 (2,010), "
        "only_transformer +2.0 (2,010), only_diffusion +16.0 (2,010), only_inverse_dynamics +2.0 (2,010): "
        "all gains most. Trained alone diffusion gains most, +16.0: it limits. Trained as long with nothing "
        "collected all gains +2.0, so that what is collected adds +18.0 to it."
    )


def test_the_table_has_a_score_after_every_round(results):
    table = round_table(results, TASK)
    assert table.headers == [
        "planner", "variant", "networks in training", "steps collected",
        "score before", "after round 1", "after round 2",
    ]  # fmt: skip
    rows = {row[1]: row for row in table.rows}
    diffusion = [PLANNER, "only_diffusion", "diffusion", "2,010", "50.5", "58.5", "66.5"]
    assert rows["only_diffusion"] == diffusion
    assert rows["all"][2] == "transformer, diffusion, inverse_dynamics"


def test_the_page_of_experiments_has_the_answer(results):
    page = experiments_page(questions(results))
    assert f"<details><summary>{TASK}, in numbers</summary>" in page
    assert f"- {TASK}: {finetuning_answer(results, TASK)}" in page


def test_a_gain_within_the_margin_is_none(answer):
    said = answer({"all": ("transformer diffusion", 4.0), "only_diffusion": ("diffusion", 5.0)})
    assert said.endswith(
        "all +4.0 (200), only_diffusion +5.0 (200): no variant gains more than the margin, 5."
    )


def test_of_two_that_gain_alike_neither_limits(answer):
    said = answer({"a": ("transformer", 12.0), "b": ("diffusion", 8.0), "nothing": (np.nan, 1.0)})
    assert said.endswith(
        "a gains most. Trained alone transformer gains most, +12.0: not clearly more than diffusion, +8.0."
    )


def test_of_gains_within_the_margin_none_limits_however_little_others_gain(answer):
    said = answer(
        {"all": ("transformer diffusion", 20.0), "a": ("transformer", 4.0), "b": ("diffusion", -10.0)}
    )
    assert said.endswith("all gains most. Trained alone transformer gains most, +4.0: within the margin.")


def test_what_costs_most_if_it_is_left_as_it_was_limits(answer):
    said = answer(
        {
            "all": (" ".join(NETWORKS), 30.0),
            "no_transformer": ("diffusion inverse_dynamics", 28.0),
            "no_diffusion": ("transformer inverse_dynamics", 3.0),
        }
    )
    assert said.endswith("all gains most. Left as it was diffusion costs most, +27.0: it limits.")


def test_a_network_that_gains_no_more_than_with_nothing_collected_does_not_limit(answer):
    said = answer(
        {
            "a": ("transformer", 2.0),
            "b": ("diffusion", 12.0),
            "all": ("transformer diffusion", 3.0),
            "nothing_collected": ("transformer diffusion", 8.0),
        }
    )
    assert "diffusion gains most, +12.0: not clearly more than with nothing collected, +8.0." in said


def test_what_training_on_alone_gives_is_no_gain_by_collecting(answer):
    said = answer({"all": ("diffusion", 12.0), "nothing_collected": ("diffusion", 9.0)})
    assert said.endswith("all gains +9.0, so that what is collected adds +3.0 to it, within the margin.")


def test_the_page_has_question_picture_and_answer(results, tmp_path):
    (tmp_path / "report").mkdir()
    write_report(results, tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert page.count("which network limits it?</h3>") == 1
    assert f'id="figure-finetuning_{TASK}"' in page and "Trained alone diffusion gains most" in page
    assert '<a href="#experiments">' in page
    assert len(pd.read_csv(tmp_path / "report/finetuning.csv")) == 5 * 3 * 3 * 2


def test_a_fine_tuning_that_is_missing_names_its_stage(params, root):
    (root / f"results/runs/{TASK}/seed1/finetuning/{PLANNER}/scores.csv").unlink()
    command = rf"finetune\.py --task {TASK} --seed 1 --planner {PLANNER}"
    with pytest.raises(UserError, match=r"scores\.csv: missing.*" + command):
        read_results(params, root)
