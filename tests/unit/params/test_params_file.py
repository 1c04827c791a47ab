"""What params.yaml as a file may hold: keys, kinds of values, the run's own, and what is completed."""

import re

import pytest
import yaml
from mistakes import BASE, REMOVED, TASK, Mistakes, is_refused, message
from project import ROOT

from trajectory_diffuser.common.completion import TRAININGS
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE, load_params

MISTAKES: Mistakes = {
    "misspelt key": (
        {"train_value.learning_rat": 0.1},
        "train_value",
        ["'learning_rat'", "did you mean 'learning_rate'?"],
    ),
    "misspelt key in place of the right one": (
        {"train_value.steps": REMOVED, "train_value.stepss": 3},
        "train_value",
        ["'stepss'", "did you mean 'steps'?"],
    ),
    "unknown key": (
        {"run.colour": "red"},
        "run",
        ["'colour'", "known: tasks, seeds, planners, policies, experiments, experiment_tasks, device"],
    ),
    "misspelt section": ({"trane_value": {}}, "the file", ["'trane_value'", "did you mean 'train_value'?"]),
    "missing section": ({"evaluate": REMOVED}, "the file", ["'evaluate' is missing", "add it"]),
    "missing key": ({"evaluate.episodes": REMOVED}, "evaluate", ["'episodes' is missing", "add it"]),
    "text for a number": ({"train_value.steps": "many"}, "train_value.steps", ["optimiser steps"]),
    "exponent without a point": (
        {"train_value.learning_rate": "3e-4"},
        "train_value.learning_rate",
        ["'3e-4' is text to YAML", "write 0.0003"],
    ),
    "small exponent without a point": (
        {"train_value.learning_rate": "3e-12"},
        "train_value.learning_rate",
        ["write 3.0e-12"],
    ),
    "quoted whole number": ({"train_value.steps": "100"}, "train_value.steps", ["write 100 "]),
    "fraction for a count": ({"train_value.steps": 10.5}, "train_value.steps", ["10.5", "integer"]),
    "real number for a count": ({"train_value.steps": 10.0}, "train_value.steps", ["10.0", "integer"]),
    "truth value for a number": ({"train_value.steps": True}, "train_value.steps", ["True", "integer"]),
    "not a number": ({"train_value.learning_rate": float("nan")}, "train_value.learning_rate", ["nan"]),
    "infinite": ({"train_value.learning_rate": float("inf")}, "train_value.learning_rate", ["inf"]),
    "out of range": ({"train_transformer.dropout": 1.5}, "train_transformer.dropout", ["1.5", "probability"]),
    "unknown device": ({"run.device": "gpu"}, "run.device", ["'gpu'", "'auto', 'cpu', 'cuda'"]),
    "unknown task": (
        {"run.tasks": [TASK[:-1]]},
        "run.tasks",
        [f"'{TASK[:-1]}' has no entry", f"did you mean '{TASK}'?"],
    ),
    "base of trainings with a gap": (
        {"base_training.precision": REMOVED},
        "base_training",
        ["'precision' is missing", "add it"],
    ),
    "key of one training in the base of all": (
        {"base_training.label_dropout": 0.1},
        "base_training",
        ["unknown key 'label_dropout'"],
    ),
    "steps that a training does not say": (
        {"train_value.steps": REMOVED},
        "train_value",
        ["'steps' is missing", "add it"],
    ),
    "repeated task": ({"run.tasks": [TASK, TASK]}, "run.tasks", [TASK, "repeats", "list each once"]),
    "repeated seed": ({"run.seeds": [0, 1, 0]}, "run.seeds", ["[0, 1, 0]", "repeats", "list each once"]),
    "no seed": ({"run.seeds": []}, "run.seeds", ["non-empty", "training seeds"]),
    "seeds left empty": ({"run.seeds": None}, "run.seeds", ["array", "training seeds"]),
    "negative seed": ({"run.seeds": [-1]}, "run.seeds.0", ["-1"]),
    "seed that is no whole number": ({"run.seeds": [0.0]}, "run.seeds.0", ["0.0", "integer"]),
}


@pytest.mark.parametrize(("changes", "key", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_file_key_and_remedy(tmp_path, changes, key, says):
    is_refused(tmp_path, changes, key, says)


def test_a_key_given_twice_is_refused_with_its_line(tmp_path):
    text = (ROOT / PARAMS_FILE).read_text()
    assert "key 'evaluate' is given more than once" in message(tmp_path, text + "\nevaluate: {}\n")


def test_a_key_that_is_not_text_is_refused(tmp_path):
    assert "key 1 is not text; put it in quotes" in message(tmp_path, "planners: {1: {}}")


@pytest.mark.parametrize("number", ["010", "-01", "1:30"])
def test_a_whole_number_that_dvc_reads_as_another_is_refused(tmp_path, number):
    text = (ROOT / PARAMS_FILE).read_text().replace("seeds: [0, 1, 2]", f"seeds: [0, {number}]")
    assert re.search(
        rf"line \d+: {number} is not the same number .*; write it without", message(tmp_path, text)
    )


@pytest.mark.parametrize(("text", "says"), [("run: [", "not valid YAML"), ("", "None"), ("- 1", "'object'")])
def test_what_is_no_mapping_is_refused(tmp_path, text, says):
    assert says in message(tmp_path, text)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"run: \xff\n")
    with pytest.raises(UserError, match=r"params\.yaml: cannot be read as text: 'utf-8' codec .*0xff"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("digits", "says"), [(5000, "not valid YAML"), (400, r"run\.seeds"), (10, r"run\.seeds.*4294967295")]
)
def test_a_seed_that_no_generator_takes_is_refused(tmp_path, digits, says):
    text = (ROOT / PARAMS_FILE).read_text().replace("seeds: [0, 1, 2]", f"seeds: [{'9' * digits}]")
    assert re.search(says, message(tmp_path, text))


def test_a_missing_file_says_where_to_run_from(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: not found; run from the repository's root"):
        load_params(tmp_path / "nowhere.yaml")


def test_rows_and_trainings_are_completed_from_their_base_and_the_rest_is_as_written():
    params = load_params(ROOT / PARAMS_FILE)
    changed = {key for key in BASE if params[key] != BASE[key]}
    assert changed == {"planners", "policies", *TRAININGS}
    assert params["planners"]["trajectory_diffuser"] == BASE["base_planner"]
    assert params["planners"]["draft"] == BASE["base_planner"] | {"refine_steps": 0}
    assert params["policies"]["behaviour_cloning"] == BASE["base_policy"]
    assert params["policies"]["best_tenth_cloning"] == BASE["base_policy"] | {"best_fraction": 0.1}
    assert params["train_value"] == BASE["base_training"] | BASE["train_value"]
    assert params["train_diffusion"]["learning_rate"] == BASE["train_diffusion"]["learning_rate"]


def test_complete_rows_are_valid_too(tmp_path):
    params = load_params(ROOT / PARAMS_FILE)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert load_params(tmp_path / "params.yaml") == params
