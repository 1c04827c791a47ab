"""Rivals that were trained outside the graph: in the report where they are complete and of this run."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reporting.made_up_results import results_of
from seals import seal

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.computing.files import write_json
from trajectory_diffuser.computing.manifest import TIMES
from trajectory_diffuser.computing.times import write_times
from trajectory_diffuser.reporting.captions import planner_settings
from trajectory_diffuser.reporting.page import write_report
from trajectory_diffuser.reporting.reading import read_results
from trajectory_diffuser.reporting.tables import headline_table
from trajectory_diffuser.reporting.verdict import DID_NOT_HOLD, HELD, judge
from trajectory_diffuser.reporting.verdict_table import verdict_entries, verdict_table

IQL = {"question": "Better?", "kind": "better", "subject": "ours", "reference": "iql"}
FASTEST = {"question": "Fastest?", "kind": "fastest", "subject": "ours"}


@pytest.fixture
def root_with_iql(params, root):
    """The made-up run, and IQL in every cell of it as evaluate_rival leaves it."""
    params["rivals"] = {"iql": {"steps": 3000}, "td3_plus_bc": {"steps": 3000}}
    for task in params["run"]["tasks"]:
        for seed in params["run"]["seeds"]:
            evaluation = root / "results" / "runs" / task / f"seed{seed}" / "evaluation"
            table = pd.read_csv(evaluation / "behaviour_cloning" / "episodes.csv").assign(planner="iql")
            (evaluation / "iql").mkdir()
            table.to_csv(evaluation / "iql" / "episodes.csv", index=False)
            record = json.loads((evaluation / "behaviour_cloning" / "evaluation.json").read_text())
            del record["policy_row"]
            training = {"steps": 3000, "data": "0123456789abcdef" * 4}
            record |= {"planner": "iql", "rival_row": {"steps": 3000}}
            record |= {"training": training | {"versions": {"d3rlpy": "2.8.1"}}}
            write_json(evaluation / "iql" / "evaluation.json", record)
            rival = evaluation.parent / "rivals" / "iql"
            rival.mkdir(parents=True)
            write_times(rival, seconds=120.0)
            seal(evaluation / "iql" / "evaluation.json", rival / TIMES)
    return root


def test_a_rival_on_disk_has_its_scores_and_no_times_in_the_report(params, root_with_iql, tmp_path):
    params["run"].update(tasks=["maze-umaze"], experiments=[])
    results = read_results(params, root_with_iql)
    assert results.planners[-2:] == ["return_conditioned_cloning", "iql"]
    table = headline_table(results, "maze-umaze")
    rows = {row[0]: dict(zip(table.headers, row, strict=True)) for row in table.rows}
    assert rows["iql"]["score (mean)"] == rows["behaviour_cloning"]["score (mean)"] != "-"
    assert rows["iql"]["time per plan, batch 1"] == rows["iql"]["decisions per second"] == "-"
    assert "-" not in rows["behaviour_cloning"].values()
    assert planner_settings(results, "iql") == "iql: d3rlpy 2.8.1, 3,000 steps in 2 min"
    (root_with_iql / "results/runs/maze-umaze/seed0/rivals/iql" / TIMES).unlink()
    elsewhere = read_results(params, root_with_iql)
    assert planner_settings(elsewhere, "iql") == "iql: d3rlpy 2.8.1, 3,000 steps"

    folder = tmp_path / "report"
    folder.mkdir()
    write_report(results, folder)
    means = json.loads((folder / "scores.json").read_text(), parse_constant=pytest.fail)
    assert means["maze-umaze"]["iql"] == means["maze-umaze"]["behaviour_cloning"]
    assert set(pd.read_csv(folder / "scores.csv")["planner"]) == set(results.planners)
    assert "iql" not in set(pd.read_csv(folder / "latency.csv")["planner"])
    page = (folder / "index.html").read_text()
    assert "td3_plus_bc" not in page, "nobody asked for it"
    assert "Not timed: iql." in page


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record["training"].update(data="other"), "trained on other data"),
        (lambda record: record["training"].update(steps=20), "trained for 20 steps"),
        (lambda record: record["rival_row"].update(target_return=1.2), "evaluated with other settings"),
    ],
)
def test_a_rival_of_other_data_or_settings_is_left_out(params, root_with_iql, change, reason):
    path = root_with_iql / "results/runs/maze-umaze/seed1/evaluation/iql/evaluation.json"
    record = json.loads(path.read_text())
    change(record)
    write_json(path, record)
    seal(path)
    results = read_results(params, root_with_iql)
    assert "iql" not in [*results.planners, *results.scores["planner"]]
    assert results.left_out["iql"] == f"maze-umaze, seed 1: {reason}"


def test_a_rival_is_left_out_where_a_cell_or_a_start_is_missing(params, root_with_iql):
    params["evaluate"]["first_environment_seed"] += 1
    assert read_results(params, root_with_iql).left_out["iql"].endswith("evaluated on other starts")
    params["evaluate"]["first_environment_seed"] -= 1
    shutil.rmtree(root_with_iql / "results/runs/hopper-medium-expert/seed1/evaluation/iql")
    left_out = read_results(params, root_with_iql).left_out
    assert left_out["iql"] == "hopper-medium-expert, seed 1: not evaluated"


@pytest.mark.parametrize(("iql", "answer"), [(20.0, HELD), (70.0, DID_NOT_HOLD)])
def test_a_claim_about_a_rival_is_judged_by_scores_alone(iql, answer):
    ours = 50 + np.linspace(-1, 1, 5)[None, :, None] + np.zeros((1, 5, 10))
    scores = {"ours": ours, "other": np.full_like(ours, 49), "iql": np.full_like(ours, iql)}
    results = results_of(scores, {"better": IQL, "fastest": FASTEST}, {"ours": 2.0})
    timed = results.latency[results.latency["planner"] != "iql"]
    results.params["run"]["planners"].remove("iql")
    results = replace(results, latency=timed, rivals=["iql"])
    better, fastest = judge(results)
    assert better.answer == answer and better.effect == pytest.approx(50 - iql)
    assert fastest.answer == HELD and fastest.reference == "other"
    assert verdict_table([better])["Better? (ours)"][0][4:6] == ["500 ms : -", "-"]
    assert "seconds" not in verdict_entries(results, [better])["better"]["task-0"]


def test_a_damaged_evaluation_of_a_rival_is_named_with_the_command_that_makes_it_again(params, root_with_iql):
    (root_with_iql / "results/runs/maze-umaze/seed1/evaluation/iql/episodes.csv").write_text("damaged")
    again = r"src/evaluate_rival\.py --task maze-umaze --seed 1 --rival iql$"
    with pytest.raises(UserError, match=rf"iql/episodes\.csv: damaged.*{again}"):
        read_results(params, root_with_iql)
