"""The report says which way plans go where the data go two."""

import numpy as np
import pandas as pd
import pytest
from seals import seal

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.environments.ways import DATA
from trajectory_diffuser.reporting.markdown import scores_page
from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.style import planner_colours, theme
from trajectory_diffuser.reporting.ways import way_answer, way_figure, way_rows, way_table

TASK = "maze-umaze"
SHARES = {  # shortest, detour, through, neither
    DATA: (0.8, 0.2, 0.0, 0.0),
    "draft": (1.0, 0.0, 0.0, 0.0),
    "trajectory_diffuser": (0.9, 0.0, 0.1, 0.0),
    "full_diffusion": (0.7, 0.2, 0.05, 0.05),
    "ddim": (0.75, 0.25, 0.0, 0.0),
    "warm_start": (0.5, 0.5, 0.0, 0.0),
}


@pytest.fixture
def two_ways(params, root):
    """A root in which the data of the maze have detours; the second seed's draft takes them alone."""
    params["run"]["experiments"] = []
    params["tasks"][TASK]["source"] = params["tasks"][TASK]["source"] | {"detours": 0.2}
    for seed in (0, 1):
        folder = root / f"results/runs/{TASK}/seed{seed}/diagnosis"
        shares = pd.DataFrame(SHARES, index=["shortest", "detour", "through", "neither"]).T
        if seed:
            shares.loc["draft"] = 0.0, 1.0, 0.0, 0.0
        shares.rename_axis("planner").reset_index().assign(plans=512).to_csv(folder / "ways.csv", index=False)
        paths = {name: np.full((100, 8, 2), index, float) for index, name in enumerate(SHARES)}
        np.savez(folder / "ways.npz", **paths)
        seal(folder / "ways.csv")
    return root


@pytest.fixture
def results(params, two_ways):
    return read_results(params, two_ways)


def test_the_table_has_the_data_and_all_that_act(results):
    table = way_table(results, TASK)
    rows = {row[0]: dict(zip(table.headers, row, strict=True)) for row in table.rows}
    assert list(rows) == [DATA, *results.planners]
    assert rows[DATA]["plans: the shortest way"] == "80 %" and rows[DATA]["time per plan"] == "-"
    assert rows["draft"]["plans: the detour"] == "50 % (0 to 100)"
    assert rows["trajectory_diffuser"]["plans: through the wall"] == "10 %"
    assert rows["behaviour_cloning"]["plans: the shortest way"] == "-"
    assert rows["behaviour_cloning"]["episodes: the shortest way"].endswith("%")


def test_the_sentence_is_computed_from_the_numbers(results):
    assert way_answer(results, TASK) == (
        "The data go the shortest way in 80 % of the episodes and the detour in 20 %. ddim is nearest to "
        "that: 5 % of its plans would have to go otherwise. draft is furthest, by 50 %. "
        "trajectory_diffuser leads most plans through the wall, 10.0 %. "
        "Only one of the ways is planned by: draft."
    )


def test_a_planner_of_one_way_is_named(params, two_ways):
    params["run"]["seeds"] = [0]
    assert "Only one of the ways is planned by: draft." in way_answer(read_results(params, two_ways), TASK)


def test_where_all_planners_are_alike_none_is_nearest(results):
    for table, _ in results.ways.values():
        table.loc[table["planner"] != DATA, ["shortest", "detour", "through", "neither"]] = [1, 0, 0, 0]
    answer = way_answer(results, TASK)
    assert "Of every planner's plans 20 % would have to go otherwise." in answer and "nearest" not in answer


def test_the_figure_draws_paths_of_the_data_and_of_each_planner(results):
    with theme():
        axes = way_figure(results, TASK).axes
    assert [axis.get_title() for axis in axes] == list(SHARES)
    for index, axis in enumerate(axes):
        assert len(axis.lines) == 50 and (axis.lines[0].get_xdata() == index).all()
    colours = planner_colours(results)
    assert [axis.lines[0].get_color() for axis in axes[1:]] == [colours[name] for name in list(SHARES)[1:]]


def test_page_and_numbers_have_it_where_there_are_two_ways(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(results, folder)
    page = (folder / "index.html").read_text()
    assert page.count('id="figure-ways_maze-umaze"') == 1 and "ddim is nearest to that" in page
    rows = pd.read_csv(folder / "ways.csv")
    assert rows.equals(way_rows(results)) and len(rows) == 2 * len(SHARES)


def test_the_markdown_page_has_it_too(results):
    lines = scores_page(results).splitlines()
    assert way_answer(results, TASK) in lines
    for planner, *cells in way_table(results, TASK).rows:
        assert f"| `{planner}` | {' | '.join(cells)} |" in lines


def test_tasks_without_detours_have_no_section_on_ways(full_report):
    assert "Two ways" not in (full_report / "index.html").read_text()
    assert not (full_report / "ways.csv").exists()


def test_a_planner_without_ways_names_the_stage(params, two_ways):
    path = two_ways / f"results/runs/{TASK}/seed0/diagnosis/ways.csv"
    table = pd.read_csv(path)
    table[table["planner"] != "ddim"].to_csv(path, index=False)
    seal(path)
    with pytest.raises(UserError, match=r"planner: 'ddim' is not in it; run `python src/evaluate_plans\.py"):
        read_results(params, two_ways)
