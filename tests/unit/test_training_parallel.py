import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small_models import save_dataset
from test_training_job import small_params, train

from trajectory_diffuser.computing.files import read_json
from trajectory_diffuser.training import job, loop

COMMAND = """
import importlib, sys
sys.path[:0] = sys.argv[2:]
from test_training_job import small_params
params = small_params()
params["run"]["processes_per_training"] = 2
importlib.import_module(sys.argv[1]).main(params, "task", 0)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    save_dataset(tmp_path / "data" / "processed" / "task")
    (tmp_path / "command.py").write_text(COMMAND)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_processes_take_the_steps_of_one_with_both_their_batches(project, monkeypatch):
    paths = [path for path in sys.path if path.endswith(("/src", "/tests", "/tests/unit"))]
    arguments = [sys.executable, "command.py", "train_value", *paths]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    directory = Path("results/runs/task/seed0/value")
    shared, curves = load_file(directory / "model.safetensors"), pd.read_csv(directory / "curves.csv")
    assert read_json(directory / "training.json")["processes"] == 2

    seeds, seed = [], loop._seed
    monkeypatch.setattr(loop, "_seed", lambda value, device: seeds.append(value) or seed(value, device))
    train_alone = loop.train

    def train_with_both_batches(model, loss, *rest):
        def both(model, split):
            first = loss(model, split)
            if split == "validation":
                return first
            torch.manual_seed(seeds[-1] + 1)  # the second process's
            return (first + loss(model, split)) / 2

        return train_alone(model, both, *rest)

    monkeypatch.setattr(job, "train", train_with_both_batches)
    expected = load_file(train("train_value", small_params()) / "model.safetensors")
    for name, weights in expected.items():
        torch.testing.assert_close(shared[name], weights, rtol=1e-5, atol=1e-6)
    validation = pd.read_csv(directory / "curves.csv")["validation_loss"]
    np.testing.assert_allclose(curves["validation_loss"], validation, rtol=1e-4)
