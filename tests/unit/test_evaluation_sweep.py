import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from project import presets
from small_models import identity_normaliser

import measure_scaling
from trajectory_diffuser.common.completion import with_bases
from trajectory_diffuser.evaluation.sweep import MEASURED, sweep

STATE, ACTION = 3, 2


def small_params():
    params = with_bases(yaml.safe_load(presets["preset"]("smoke")))
    params["planning"]["runtime"] = "torch"  # nothing to compile for each of so many networks and shapes
    params["measure_scaling"] |= {
        "planners": ["draft", "trajectory_diffuser", "full_diffusion", "one_call", "four_actions"],
        "horizons": [8, 16],
        "refine_steps": [1, 8],
        "candidates": [1, 2],
        "batches": [1, 3],
        "widths": [1, 2],
        "repetitions": 2,
    }
    return params


def test_every_quantity_is_varied_for_every_planner_that_has_it():
    observations = np.random.default_rng(0).normal(size=(20, STATE))
    params, device = small_params(), torch.device("cpu")
    table = sweep(params, "maze-umaze-smoke", identity_normaliser(STATE), observations, ACTION, device)
    counts = table.groupby("varied")["planner"].count().to_dict()
    assert counts == {"horizon": 10, "candidates": 10, "batch": 10, "width": 10, "refine_steps": 6}
    assert np.isfinite(table[list(MEASURED)].to_numpy(float)).all()
    assert (table["seconds_per_plan"] > 0).all()
    rows = table.set_index(["varied", "value", "planner"])
    calls, flops = rows["network_calls"], rows["flops"]
    # Over the last eight steps, not over five.
    assert calls["refine_steps", 8, "one_call"] - calls["refine_steps", 1, "one_call"] == 7
    assert calls["horizon", 8, "full_diffusion"] == params["train_diffusion"]["diffusion_steps"] + 1
    assert calls["horizon", 16, "draft"] == 15 + 1
    for quantity, value in (("horizon", 16), ("candidates", 2), ("batch", 3), ("width", 2)):
        before = flops[quantity, 8 if quantity == "horizon" else 1, "full_diffusion"]
        assert flops[quantity, value, "full_diffusion"] > 1.5 * before


def test_candidates_are_timed_where_tuning_would_have_no_noise():
    params = small_params()
    params["tune"]["grid"]["temperature"] = [0.0]
    params["measure_scaling"] |= {"planners": ["trajectory_diffuser"], "candidates": [1, 4], "repetitions": 1}
    observations = np.random.default_rng(0).normal(size=(20, STATE))
    table = sweep(
        params, "maze-umaze-smoke", identity_normaliser(STATE), observations, ACTION, torch.device("cpu")
    )
    flops = table.query("varied == 'candidates'").set_index("value")["flops"]
    assert flops[4] > 1.5 * flops[1]


def test_the_stage_needs_prepared_data_and_no_trained_network(project_params):
    once = {key: [1] for key in ("refine_steps", "candidates", "batches", "widths")}
    small = once | {"planners": ["draft", "ddim_2"], "horizons": [8], "repetitions": 2}
    project_params["measure_scaling"] |= small
    measure_scaling.main(project_params, "task")
    folder = Path("results/runs/task/scaling")
    table = pd.read_csv(folder / "scaling.csv")
    assert list(table) == ["varied", "value", "planner", *MEASURED] and len(table) == 9
    record = json.loads((folder / "scaling.json").read_text())
    assert record["runtime"] == "torch" and record["threads"] == 1
    assert {"precision", "device_name", "device", "versions", "commit"} < record.keys()
