"""The report says what tuning tried, chose and cost."""

import json

import pytest
from matplotlib.patches import Rectangle

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.reporting.artefacts import read_results
from trajectory_diffuser.reporting.style import theme
from trajectory_diffuser.reporting.tuning_figure import (
    tuned_planners,
    tuning_cost,
    tuning_grids,
    tuning_table,
)

TASK = "maze-umaze"


def edit(root, planner, **changes):
    file = root / "results" / "runs" / TASK / "tuning" / planner / "choice.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_every_point_of_every_grid_is_drawn_and_the_chosen_one_framed(params, root):
    results = read_results(params, root)
    with theme():
        figure = tuning_grids(results, TASK)
    panels = {axis.get_title(): axis for axis in figure.axes}
    assert list(panels) == tuned_planners(results, TASK)
    assert "behaviour_cloning" not in panels and "return_conditioned_cloning" in panels
    for name, axis in panels.items():
        record = results.tuning[TASK, name]
        written = sorted(float(text.get_text()) for text in axis.texts)
        assert written == sorted(round(point["score"]) for point in record["scores"])
        framed = [patch for patch in axis.patches if patch.get_linewidth() > 2]
        assert len(framed) == 1 and isinstance(framed[0], Rectangle)
        x, y = framed[0].get_xy()
        (there,) = [text for text in axis.texts if text.get_position() == (x + 0.5, y + 0.5)]
        assert float(there.get_text()) == round(record["score"])
    labels = [label.get_text() for label in panels["ddim"].get_yticklabels()]
    assert labels == ["1.2, 0.2", "1.2, 0.5", "2, 0.2", "2, 0.5", "3, 0.2", "3, 0.5"]


def test_choices_named_values_and_cost_are_in_the_table(params, root):
    edit(
        root, "ddim", values={"guidance": 3.0, "temperature": 0.5, "target_return": 1.2}, target_return=228.0
    )
    named = params["planners"]["draft"] | {"target_return": 0.7}
    nothing = {"grid": {}, "scores": [], "score": None, "episodes": 0, "seconds": 0.0}
    edit(root, "draft", row=named, **nothing)
    results = read_results(params, root)
    rows = {row[0]: row[1:] for row in tuning_table(results, TASK).rows}
    assert list(rows) == results.planners
    assert rows["ddim"][:4] == ["3", "0.5", "1.2", "228"]
    assert rows["ddim"][5:] == ["18", "2", "36", "1.5 min"]
    assert rows["draft"][:3] == ["-", "-", "0.7 (named)"]
    assert rows["draft"][-2:] == ["0", "-"]
    assert rows["behaviour_cloning"][:4] == ["-"] * 4
    tuned = len(tuned_planners(results, TASK))
    sentence = tuning_cost(results, TASK)
    assert sentence.startswith(f"{36 * tuned} trial episodes in {1.5 * tuned:.1f} minutes")
    assert "of training seed 0, in environments from seed 20000 on" in sentence


def test_where_all_is_named_nothing_is_drawn(params, root):
    for planner in read_results(params, root).planners:
        edit(root, planner, grid={}, scores=[], score=None, episodes=0, seconds=0.0)
    results = read_results(params, root)
    assert tuning_grids(results, TASK) is None
    assert "no trials" in tuning_cost(results, TASK)


def test_a_choice_that_is_missing_names_its_stage(params, root):
    (root / "results/runs" / TASK / "tuning/ddim/choice.json").unlink()
    with pytest.raises(
        UserError, match=r"choice\.json: missing.*src/tune\.py --task maze-umaze --planner ddim"
    ):
        read_results(params, root)
