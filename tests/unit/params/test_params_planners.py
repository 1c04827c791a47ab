"""What rows of planners and policies may say, and how they are tuned."""

import pytest
import yaml
from mistakes import BASE, REMOVED, TASK, Mistakes, changed, is_refused

from trajectory_diffuser.common.params import load_params

ROW = {"refine_steps": 3}
PLANNER = "planners.x"
NAMED = {"guidance": 1.0, "temperature": 0.5, "target_return": 1.0}
ALL_NAMED = {name: row | NAMED for name, row in BASE["planners"].items()}

MISTAKES: Mistakes = {
    "unknown planner": (
        {"run.planners": ["drift"]},
        "run.planners",
        ["'drift' has no entry", "did you mean 'draft'?"],
    ),
    "more calls than a task's own chain has steps": (
        {
            "tasks.TASK.training": {"train_diffusion": {"diffusion_steps": 4}},
            "measure_scaling.tasks": [],
        },
        "base_planner.refine_steps",
        [f"5 is more than tasks.{TASK}.training.train_diffusion.diffusion_steps (4)"],
    ),
    "a plan that goes on, between its states": (
        {"tasks.TASK.stride": 4, "run.planners": ["draft", "trajectory_diffuser", "ddim", "warm_start"]},
        "planners.warm_start.start",
        ["states are 4 steps apart", f"tasks.{TASK}.stride", "leave warm_start out"],
    ),
    "carried draft without a draft": (
        {PLANNER: ROW | {"start": "previous_plan", "redraft_every": 4}},
        f"{PLANNER}.redraft_every",
        ["no draft with start: previous_plan", "use redraft_every: 1"],
    ),
    "more actions than a plan has": (
        {PLANNER: ROW | {"actions_per_plan": 16}},
        f"{PLANNER}.actions_per_plan",
        ["16 actions", "tasks.hopper-medium-expert.horizon (16)"],
    ),
    "last steps of a start from noise": (
        {PLANNER: ROW | {"start": "noise", "sampler": "ddim", "last_steps": 5}},
        f"{PLANNER}.last_steps",
        ["goes through the whole chain", "remove last_steps"],
    ),
    "selection among one candidate": (
        {PLANNER: ROW | {"candidates": 1, "selection": "softmax"}},
        f"{PLANNER}.selection",
        ["nothing to select", "remove selection"],
    ),
    "fewer last steps than calls": (
        {PLANNER: ROW | {"last_steps": 2}},
        f"{PLANNER}.last_steps",
        ["2 must lie between refine_steps (3)", "(100)"],
    ),
    "unknown key of a planner": (
        {PLANNER: {"refine_step": 3}},
        PLANNER,
        ["'refine_step'", "did you mean 'refine_steps'?"],
    ),
    "planner left empty": ({PLANNER: None}, PLANNER, ["None", "differ from base_planner; {} for none"]),
    "base of planners with a gap": (
        {"base_planner.sampler": REMOVED},
        "base_planner",
        ["'sampler' is missing", "add it"],
    ),
    "unknown key of the base of planners": (
        {"base_planner.sampled": 1},
        "base_planner",
        ["'sampled'", "did you mean 'sampler'?"],
    ),
    "base of planners that does not fit": (
        {"base_planner.refine_steps": 101},
        "base_planner.refine_steps",
        ["101 is more than", "use at most 100, or all"],
    ),
    "base of planners that does not fit what a row says": (
        {PLANNER: {"start": "noise"}},
        f"{PLANNER}.start",
        ["ddpm from noise", "refine_steps: 5", "use all, or sampler: ddim"],
    ),
    "unknown policy of the run": (
        {"run.policies": ["behavior_cloning"]},
        "run.policies",
        ["'behavior_cloning' has no entry under policies", "did you mean 'behaviour_cloning'?"],
    ),
    "policy named as a planner": (
        {"policies.ddim": {}},
        "policies.ddim",
        ["a planner has this name too"],
    ),
    "more than all episodes": ({"policies.x": {"best_fraction": 1.1}}, "policies.x.best_fraction", ["1.1"]),
    "policy with the name of a rival": (
        {"policies.iql": {}},
        "policies.iql",
        ["the name of a rival, see rivals", "choose another"],
    ),
    "unknown rival": ({"rivals.cql": {"steps": 1}}, "rivals", ["unknown key 'cql'", "did you mean 'iql'?"]),
    "word for refinement steps": (
        {PLANNER: ROW | {"refine_steps": "al"}},
        f"{PLANNER}.refine_steps",
        ["all: K"],
    ),
    "more refinement steps than the chain has": (
        {"train_diffusion.diffusion_steps": 50, PLANNER: ROW | {"refine_steps": 51}},
        f"{PLANNER}.refine_steps",
        ["51 is more than", "use at most 50, or all"],
    ),
    "noise left as it is": (
        {PLANNER: ROW | {"start": "noise", "refine_steps": 0}},
        f"{PLANNER}.refine_steps",
        ["0 leaves", "use at least 1"],
    ),
    "ddpm that skips steps": (
        {PLANNER: ROW | {"start": "noise"}},
        f"{PLANNER}.refine_steps",
        ["ddpm from noise", "use all, or sampler: ddim"],
    ),
    "noise on noise": (
        {PLANNER: ROW | {"start": "noise", "refine_steps": "all", "forward_noise": True}},
        f"{PLANNER}.forward_noise",
        ["use forward_noise: false"],
    ),
    "word for a value to be tuned": (
        {PLANNER: ROW | {"guidance": "task"}},
        f"{PLANNER}.guidance",
        ["task", "tuned: chosen by tune"],
    ),
    "trials that cannot be shared out": (
        {"tune.episodes": 30, "tune.grid.guidance": [1.0, 2.0, 3.0, 4.0]},
        "tune.episodes",
        ["30 cannot", "16 combinations (4 guidance x", "that planners.draft leaves", "a multiple of 32"],
    ),
    "fewer trials than points": (
        {"tune.episodes": 2, "planners": ALL_NAMED},
        "tune.episodes",
        [
            "2 cannot",
            "2 combinations (2 target_return) that policies.behaviour_cloning leaves",
            "a multiple of 4",
        ],
    ),
    "tuning in environments of the evaluation": (
        {"tune.first_environment_seed": 9999},
        "tune.first_environment_seed",
        ["9999 to 10030", "10000 to 10009", "use 10010 or more"],
    ),
    "an evaluation of as many episodes as reach those of tuning": (
        {"tune.first_environment_seed": 10050, "evaluate.episodes": 51},
        "tune.first_environment_seed",
        ["10000 to 10050", "use 10051 or more"],
    ),
    "openvino on a GPU": (
        {"run.device": "cuda", "planning.runtime": "openvino"},
        "planning.runtime",
        ["run.device is cuda", "use auto or torch"],
    ),
}


@pytest.mark.parametrize(("changes", "key", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_file_key_and_remedy(tmp_path, changes, key, says):
    is_refused(tmp_path, changes, key, says)


def test_a_top_level_chain_that_every_task_replaces_is_not_checked(tmp_path):
    own = {"tasks.TASK.training": {"train_diffusion": {"diffusion_steps": 100}}}
    text = yaml.safe_dump(changed(own | {"train_diffusion.diffusion_steps": 4}), sort_keys=False)
    (tmp_path / "params.yaml").write_text(text)
    load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("first", [9964, 10010])
def test_trials_may_lie_right_beside_the_evaluation(tmp_path, first):
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(changed({"tune.first_environment_seed": first})))
    assert load_params(file)["tune"]["first_environment_seed"] == first


def test_where_all_values_are_named_no_trials_have_to_be_shared_out(tmp_path):
    file = tmp_path / "params.yaml"
    policies = {name: row | {"target_return": 1.0} for name, row in BASE["policies"].items()}
    file.write_text(
        yaml.safe_dump(changed({"tune.episodes": 2, "planners": ALL_NAMED, "policies": policies}))
    )
    assert load_params(file)["tune"]["episodes"] == 2


@pytest.mark.parametrize("row", [{}, {"refine_steps": "all"}, {"guidance": 1.2, "temperature": 0.3}])
def test_valid_planner_rows_pass(tmp_path, row):
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(changed({PLANNER: row})))
    assert load_params(file)["planners"]["x"] == BASE["base_planner"] | row
