"""The report says what tuning tried, chose and cost."""

import json

import pytest
from matplotlib.patches import Rectangle
from seals import seal

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.times import write_times
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.style import theme
from trajectory_diffuser.reporting.tuning_figure import (
    tuned_planners,
    tuning_cost,
    tuning_grids,
    tuning_table,
)

TASK = "maze-umaze"


def edit(root, planner, seed=None, seconds=90.0, **changes):
    """Change what was recorded of a planner's tuning, of one seed or of both."""
    for each in (0, 1) if seed is None else (seed,):
        (file,) = (root / "results/runs" / TASK / f"seed{each}").glob(f"*tuning/{planner}/choice.json")
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))
        write_times(file.parent, seconds=seconds)
        seal(file)


def test_every_point_of_every_grid_is_drawn_and_each_seeds_choice_framed(params, root):
    results = read_results(params, root)
    with theme():
        figure = tuning_grids(results, TASK)
    panels = {axis.get_title(): axis for axis in figure.axes}
    assert list(panels) == tuned_planners(results, TASK)
    assert "behaviour_cloning" not in panels and "return_conditioned_cloning" in panels
    for name, axis in panels.items():
        of_seeds = [results.tuning[TASK, seed, name]["scores"] for seed in (0, 1)]
        means = [(first["score"] + second["score"]) / 2 for first, second in zip(*of_seeds, strict=True)]
        written = sorted(float(text.get_text()) for text in axis.texts)
        assert written == sorted(round(mean) for mean in means)
        framed = [patch for patch in axis.patches if patch.get_linewidth() > 2]
        assert all(isinstance(patch, Rectangle) for patch in framed)
        best = {max(range(len(means)), key=lambda point: scores[point]["score"]) for scores in of_seeds}
        there = [
            text for text in axis.texts for patch in framed
            if text.get_position() == (patch.get_x() + 0.5, patch.get_y() + 0.5)
        ]  # fmt: skip
        assert sorted(float(text.get_text()) for text in there) == sorted(
            round(means[point]) for point in best
        )
    labels = [label.get_text() for label in panels["ddim"].get_yticklabels()]
    assert labels == ["1, 0", "1, 0.5", "2, 0", "2, 0.5"]


def test_choices_named_values_and_cost_are_in_the_table(params, root):
    for seed, multiple in enumerate((1.2, 0.7)):
        values = {"guidance": 2.0, "temperature": 0.5, "target_return": multiple}
        edit(root, "ddim", seed, values=values, target_return=190 * multiple)
    named = params["planners"]["draft"] | {"target_return": 0.7}
    nothing = {"grid": {}, "scores": [], "score": None, "episodes": 0, "seconds": 0.0}
    edit(root, "draft", row=named, **nothing)
    results = read_results(params, root)
    rows = {row[0]: row[1:] for row in tuning_table(results, TASK).rows}
    assert list(rows) == results.planners
    assert rows["ddim"][:4] == ["2, 2", "0.5, 0.5", "1.2, 0.7", "228, 133"]
    assert rows["ddim"][5:] == ["12", "1 to 4", "48", "3.0 min"]
    assert rows["draft"][:3] == ["-", "-", "0.7 (named)"]
    assert rows["draft"][-2:] == ["0", "-"]
    assert rows["behaviour_cloning"][:4] == ["-"] * 4
    tuned = len(tuned_planners(results, TASK))
    sentence = tuning_cost(results, TASK)
    assert sentence.startswith(f"{48 * tuned} trial episodes (computing time: {3 * tuned:.1f} min)")
    assert "of training seeds 0, 1, each tuned on its own, in environments from seed 20000 on" in sentence


def test_where_all_is_named_nothing_is_drawn(params, root):
    for planner in read_results(params, root).planners:
        edit(root, planner, grid={}, scores=[], score=None, episodes=0)
    results = read_results(params, root)
    assert tuning_grids(results, TASK) is None
    assert "no trials" in tuning_cost(results, TASK)


def test_a_choice_that_is_missing_names_its_stage(params, root):
    (root / "results/runs" / TASK / "seed1/tuning/ddim/choice.json").unlink()
    with pytest.raises(
        UserError, match=r"choice\.json: missing.*src/tune\.py --task maze-umaze --seed 1 --planner ddim"
    ):
        read_results(params, root)
