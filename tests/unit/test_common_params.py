import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from trajectory_diffuser.common.completion import TRAININGS, for_task
from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import PARAMS_FILE, load_params

ROOT = Path(__file__).parents[2]
BASE = yaml.safe_load((ROOT / PARAMS_FILE).read_text())
TASK = BASE["run"]["tasks"][0]
REMOVED = object()
BEHAVIOUR = {
    "kind": "behaviour",
    "ladder": "hopper",
    "mixture": [{"actors": ["expert"], "noise": 1.0, "steps": 100}],
}
MINARI = {"kind": "minari", "dataset": "D4RL/pen/human-v2", "clip_actions": True, "licence": "x"}
D4RL = {"kind": "d4rl", "file": "a.hdf5", "sha256": None, "clip_actions": True, "licence": "x"}
ROW = {"refine_steps": 3}
PLANNER = "planners.x"
REFINEMENT = {"run.experiments": ["refinement"], "run.experiment_tasks": [TASK]}
NAMED = {"guidance": 1.0, "temperature": 0.5, "target_return": 1.0}
ALL_NAMED = {name: row | NAMED for name, row in BASE["planners"].items()}


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The shipped parameters with the values at dotted keys replaced; TASK stands for the first task."""
    params = copy.deepcopy(BASE)
    for key, value in changes.items():
        *path, last = key.split(".")
        section = params
        for name in path:
            section = section[TASK if name == "TASK" else name]
        if value is REMOVED:
            del section[last]
        else:
            section[TASK if last == "TASK" else last] = copy.deepcopy(value)
    return params


def message(tmp_path: Path, text: str) -> str:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_params(file)
    line = str(caught.value)
    assert line.startswith(f"{file}: ")
    assert "\n" not in line
    return line.removeprefix(f"{file}: ")


# What is changed; the key that the message must begin with; what else it must say (the remedy among it).
MISTAKES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
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
    "unknown planner": (
        {"run.planners": ["drift"]},
        "run.planners",
        ["'drift' has no entry", "did you mean 'draft'?"],
    ),
    "an experiment with a planner that is not tuned": (
        REFINEMENT | {"experiments.refinement.planners": ["four_actions"]},
        "experiments.refinement.planners",
        ["'four_actions' is not among run.planners"],
    ),
    "an experiment with more calls than the chain has steps": (
        REFINEMENT | {"experiments.refinement.vary": {"refine_steps": [101]}},
        "experiments.refinement.vary.refine_steps",
        ["101 is more than", "use at most 100"],
    ),
    "an experiment that varies what no planner has": (
        {"experiments.refinement.vary": {"horizon": [8]}},
        "experiments.refinement.vary",
        ["unknown key 'horizon'"],
    ),
    "an experiment in more episodes than there are": (
        REFINEMENT | {"experiments.refinement.episodes": 11},
        "experiments.refinement.episodes",
        ["11 is more than evaluate.episodes (10)"],
    ),
    "an experiment that carries plans on whose states lie apart": (
        REFINEMENT
        | {"tasks.TASK.stride": 2, "experiments.refinement.vary": {"redraft_every": [1, 8]}}
        | {"measure_scaling.tasks": []},
        "experiments.refinement.vary.redraft_every",
        [f"2 steps apart (tasks.{TASK}.stride)"],
    ),
    "an experiment with more actions than a plan has": (
        REFINEMENT | {"experiments.refinement.vary": {"actions_per_plan": [1, 16]}},
        "experiments.refinement.vary.actions_per_plan",
        [f"16 actions are more than a plan of tasks.{TASK}.horizon (16) states has"],
    ),
    "an experiment with more calls than the last steps of a row": (
        REFINEMENT
        | {
            "experiments.refinement.planners": ["one_call"],
            "experiments.refinement.vary": {"refine_steps": [1, 20]},
        },
        "experiments.refinement.vary.refine_steps",
        ["last_steps: 5 must lie between refine_steps (20)"],
    ),
    "kept weights evaluated in more episodes than there are": (
        {"evaluate_training.episodes": 11},
        "evaluate_training.episodes",
        ["11 is more than evaluate.episodes (10)"],
    ),
    "an experiment without tasks": (
        {"run.experiments": ["refinement"]},
        "run.experiment_tasks",
        ["refinement needs tasks", "name some of run.tasks"],
    ),
    "an experiment on a task that is not run": (
        {"run.experiments": ["refinement"], "run.experiment_tasks": ["maze-umaze"]},
        "run.experiment_tasks",
        ["'maze-umaze' is not among run.tasks"],
    ),
    "an experiment with more calls than a task's own chain has steps": (
        REFINEMENT | {"tasks.TASK.training": {"train_diffusion": {"diffusion_steps": 50}}},
        "experiments.refinement.vary.refine_steps",
        [f"100 is more than tasks.{TASK}.training.train_diffusion.diffusion_steps (50)"],
    ),
    "more calls than a task's own chain has steps": (
        {
            "tasks.TASK.training": {"train_diffusion": {"diffusion_steps": 4}},
            "measure_scaling.tasks": [],
        },
        "base_planner.refine_steps",
        [f"5 is more than tasks.{TASK}.training.train_diffusion.diffusion_steps (4)"],
    ),
    "a horizon that a task's own denoiser cannot halve": (
        {"tasks.TASK.training": {"train_diffusion": {"channel_multipliers": [1] * 8}}},
        "tasks.TASK.horizon",
        [
            "16 with train_diffusion.past_states (4) must be a multiple of 128",
            f"(tasks.{TASK}.training.train_diffusion.channel_multipliers)",
        ],
    ),
    "heads that do not divide a task's own width": (
        {"tasks.TASK.training": {"train_transformer": {"width": 30}}},
        "tasks.TASK.training.train_transformer.width",
        ["30 must be even and a multiple of heads (4)"],
    ),
    "heads of a task's own that do not divide the width of all": (
        {"tasks.TASK.training": {"train_transformer": {"heads": 3}}},
        "train_transformer.width",
        ["128 must be even and a multiple of heads (3)"],
    ),
    "more past states of a task's own than its history has": (
        {"tasks.TASK.training": {"train_diffusion": {"past_states": 8}}},
        "tasks.TASK.training.train_diffusion.past_states",
        [f"8 are too many for tasks.{TASK}.history (8)"],
    ),
    "threads of a task's own": (
        {"tasks.TASK.training": {"train_value": {"threads": 2}}},
        "tasks.TASK.training.train_value.threads",
        ["say it in train_value"],
    ),
    "misspelt training of a task": (
        {"tasks.TASK.training": {"train_values": {}}},
        "tasks.TASK.training",
        ["unknown key 'train_values'", "did you mean 'train_value'?"],
    ),
    "misspelt key in a training of a task": (
        {"tasks.TASK.training": {"train_value": {"step": 3}}},
        "tasks.TASK.training.train_value",
        ["unknown key 'step'", "did you mean 'steps'?"],
    ),
    "a study of numbers and words": (
        {
            "make_report.studies": {
                "size": {"question": "?", "quantity": "1", "tasks": {TASK: 1, "maze-umaze": "large"}}
            }
        },
        "make_report.studies.size.tasks",
        ["numbers and words", "one kind"],
    ),
    "a study of numbers that YAML takes for text": (
        {
            "make_report.studies": {
                "size": {"question": "?", "quantity": "1", "tasks": {TASK: "4e3", "maze-umaze": "12e3"}}
            }
        },
        f"make_report.studies.size.tasks.{TASK}",
        ["'4e3'", "a number above 0, or a few words that begin with a letter"],
    ),
    "an experiment that is not there": (
        {"run.experiments": ["refinment"]},
        "run.experiments",
        ["did you mean 'refinement'?"],
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
    "planner followed in training that is not evaluated": (
        {"evaluate_training.planners": ["draft", "x"], PLANNER: ROW},
        "evaluate_training.planners",
        ["'x' is not among run.planners", "add it there or remove it here"],
    ),
    "planners followed in training without kept weights": (
        {"base_training.keep_at": []},
        "base_training.keep_at",
        ["evaluate_training.planners need", "or be []"],
    ),
    "one network kept at other moments": (
        {"train_diffusion.keep_at": [0.5]},
        "train_diffusion.keep_at",
        ["at the same share", "in base_training alone"],
    ),
    "kept after the last step": (
        {"base_training.keep_at": [0.5, 1.0]},
        "base_training.keep_at.1",
        ["1.0 is greater than or equal to the maximum of 1"],
    ),
    "scaling of a task that is not run": (
        {"measure_scaling.tasks": ["maze-umaze"]},
        "measure_scaling.tasks",
        ["'maze-umaze' is not among run.tasks", "add it there or remove it here"],
    ),
    "scaling of an unknown task": (
        {"measure_scaling.tasks": [TASK[:-1]]},
        "measure_scaling.tasks",
        [f"{TASK[:-1]!r} has no entry under tasks", f"did you mean {TASK!r}?"],
    ),
    "unknown planner of the scaling": (
        {"measure_scaling.planners": ["drift"]},
        "measure_scaling.planners",
        ["'drift' has no entry under planners", "did you mean 'draft'?"],
    ),
    "unknown planner of the film": (
        {"film.planners": ["drift"]},
        "film.planners",
        ["'drift' has no entry under planners", "did you mean 'draft'?"],
    ),
    "film of no length": ({"film.seconds": 0}, "film.seconds", ["0"]),
    "horizons too short for a planner of the scaling": (
        {"measure_scaling.planners": ["four_actions"], "measure_scaling.horizons": [4]},
        "measure_scaling.horizons",
        ["4 states are too few for four_actions"],
    ),
    "unknown planner of a claim": (
        {"make_report.claims.fastest.subject": "trajectory_difuser"},
        "make_report.claims.fastest.subject",
        ["'trajectory_difuser' has no entry under planners", "did you mean 'trajectory_diffuser'?"],
    ),
    "unknown reference of a claim": (
        {"make_report.claims.better_than_its_draft.reference": "cloning"},
        "make_report.claims.better_than_its_draft.reference",
        ["'cloning' has no entry under planners or policies or rivals"],
    ),
    "unknown task of a study": (
        {"make_report.studies": {"size": {"question": "?", "quantity": "1", "tasks": {"hoper": 1, "b": 2}}}},
        "make_report.studies.size.tasks",
        ["'hoper' has no entry under tasks"],
    ),
    "claim that a rival is slower": (
        {"make_report.claims.faster_than_full_diffusion.reference": "iql"},
        "make_report.claims.faster_than_full_diffusion.reference",
        ["'iql' has no entry under planners or policies"],
    ),
    "policy with the name of a rival": (
        {"policies.iql": {}},
        "policies.iql",
        ["the name of a rival, see rivals", "choose another"],
    ),
    "unknown rival": ({"rivals.cql": {"steps": 1}}, "rivals", ["unknown key 'cql'", "did you mean 'iql'?"]),
    "claim about a policy": (
        {"make_report.claims.fastest.subject": "behaviour_cloning"},
        "make_report.claims.fastest.subject",
        ["'behaviour_cloning' has no entry under planners"],
    ),
    "claim of an unknown kind": (
        {"make_report.claims.fastest.kind": "slowest"},
        "make_report.claims.fastest.kind",
        ["'slowest' is unknown; one of: better, faster, fastest"],
    ),
    "claim against nobody": (
        {"make_report.claims.better_than_its_draft": {"question": "?", "kind": "better", "subject": "ddim"}},
        "make_report.claims.better_than_its_draft",
        ["key 'reference' is missing"],
    ),
    "repeated task": ({"run.tasks": [TASK, TASK]}, "run.tasks", [TASK, "repeats", "list each once"]),
    "repeated seed": ({"run.seeds": [0, 1, 0]}, "run.seeds", ["[0, 1, 0]", "repeats", "list each once"]),
    "no seed": ({"run.seeds": []}, "run.seeds", ["non-empty", "training seeds"]),
    "seeds left empty": ({"run.seeds": None}, "run.seeds", ["array", "training seeds"]),
    "negative seed": ({"run.seeds": [-1]}, "run.seeds.0", ["-1"]),
    "seed that is no whole number": ({"run.seeds": [0.0]}, "run.seeds.0", ["0.0", "integer"]),
    "task name with a strange character": (
        {"tasks.my_task": BASE["tasks"][TASK]},
        "tasks",
        ["'my_task' is not valid", "use a letter, then letters, digits and hyphens"],
    ),
    "unknown key of a source": (
        {"tasks.TASK.source": BEHAVIOUR | {"stairs": 1}},
        "tasks.TASK.source",
        ["'stairs'", "known: kind, ladder, mixture"],
    ),
    "unknown kind of source": (
        {"tasks.TASK.source": BEHAVIOUR | {"kind": "behavior"}},
        "tasks.TASK.source.kind",
        ["'behavior'", "one of: behaviour, controller, minari, d4rl, ogbench, ogbench_file, file"],
    ),
    "steps of a mixture left out": (
        {"tasks.TASK.source": BEHAVIOUR | {"mixture": [{"actors": ["expert"], "noise": 1.0}]}},
        "tasks.TASK.source.mixture.0",
        ["key 'steps' is missing"],
    ),
    "Minari dataset without a version": (
        {"tasks.TASK.source": MINARI | {"dataset": "D4RL/pen/human"}},
        "tasks.TASK.source.dataset",
        ["'D4RL/pen/human'", "with its version"],
    ),
    "Minari dataset that leaves its folder": (
        {"tasks.TASK.source": MINARI | {"dataset": "../pen/human-v2"}},
        "tasks.TASK.source.dataset",
        ["'../pen/human-v2'", "with its version"],
    ),
    "Minari dataset with dots inside": (
        {"tasks.TASK.source": MINARI | {"dataset": "D4RL/../human-v2"}},
        "tasks.TASK.source.dataset",
        ["'D4RL/../human-v2'"],
    ),
    "Minari dataset with a line break": (
        {"tasks.TASK.source": MINARI | {"dataset": "human-v2\n"}},
        "tasks.TASK.source.dataset",
        ["'human-v2\\n'"],
    ),
    "ladder that leaves its folder": (
        {"tasks.TASK.source": BEHAVIOUR | {"ladder": "../hopper"}},
        "tasks.TASK.source.ladder",
        ["'../hopper'", "use a letter, then letters"],
    ),
    "actor that leaves its folder": (
        {"tasks.TASK.source": BEHAVIOUR | {"mixture": [BEHAVIOUR["mixture"][0] | {"actors": ["../expert"]}]}},
        "tasks.TASK.source.mixture.0.actors.0",
        ["'../expert'", "letters, digits, dots"],
    ),
    "file with a line break": (
        {"tasks.TASK.source": D4RL | {"file": "a.hdf5\n"}},
        "tasks.TASK.source.file",
        ["'a.hdf5\\n'", "the name of a file in data/external/"],
    ),
    "checksum with a line break": (
        {"tasks.TASK.source": D4RL | {"sha256": "0" * 64 + "\n"}},
        "tasks.TASK.source.sha256",
        ["0\\n' is not valid; use 64 hexadecimal digits"],
    ),
    "plain http without a checksum": (
        {"tasks.TASK.source": D4RL | {"file": "http://a.org/a.hdf5"}},
        "tasks.TASK.source.file",
        ["'http://a.org/a.hdf5'", "use https, or give the file's sha256"],
    ),
    "address of a machine's own file": (
        {"tasks.TASK.source": D4RL | {"file": "file:///etc/a.hdf5"}},
        "tasks.TASK.source.file",
        ["'file:///etc/a.hdf5' is not an https address", "or the name of a file"],
    ),
    "reference scores the wrong way round": (
        {"tasks.TASK.reference_scores": {"minimum": 2.0, "maximum": 1.0, "origin": "me"}},
        "tasks.TASK.reference_scores",
        ["maximum must be above minimum"],
    ),
    "neither measured nor two scores": (
        {"tasks.TASK.reference_scores": "measure"},
        "tasks.TASK.reference_scores",
        ["measure", "measured: random policy"],
    ),
    "horizon that cannot be halved": (
        {"train_diffusion.channel_multipliers": [1, 2, 4], "tasks.TASK.horizon": 18},
        "tasks.TASK.horizon",
        ["18 with train_diffusion.past_states (4) must be a multiple of 4", "channel_multipliers"],
    ),
    "horizon that cannot be halved with the past": (
        {"train_diffusion.past_states": 2},
        "tasks.TASK.horizon",
        ["with train_diffusion.past_states (2) must be a multiple of 4"],
    ),
    "more past states than are remembered": (
        {"train_diffusion.past_states": 4, "tasks.TASK.history": 4},
        "train_diffusion.past_states",
        ["4 are too many for tasks.", ".history (4)"],
    ),
    "width that heads do not divide": (
        {"train_transformer.width": 20, "train_transformer.heads": 8},
        "train_transformer.width",
        ["20", "multiple of heads (8)"],
    ),
    "odd width": (
        {"train_transformer.width": 15, "train_transformer.heads": 3},
        "train_transformer.width",
        ["15 must be even"],
    ),
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
        ["9999 to 10014", "10000 to 10009", "use 10010 or more"],
    ),
    "an evaluation of as many episodes as reach those of tuning": (
        {"tune.first_environment_seed": 10050, "evaluate.episodes": 51},
        "tune.first_environment_seed",
        ["10000 to 10050", "use 10051 or more"],
    ),
    "fine-tuning of a planner that is not tuned": (
        {"finetune.tasks": ["hopper-medium-expert"], "finetune.planners": ["best_of_32"]},
        "finetune.planners",
        ["'best_of_32' is not among run.planners", "add it there or remove it here"],
    ),
    "fine-tuning in environments of the evaluation": (
        {
            "finetune.tasks": ["hopper-medium-expert"],
            "finetune.planners": ["ddim"],
            "finetune.first_environment_seed": 9921,
        },
        "finetune.first_environment_seed",
        ["9921 to 10000 are collected in", "evaluate evaluates in 10000 to 10009", "use 10010 or more"],
    ),
    "fine-tuning in environments of the tuning": (
        {
            "finetune.tasks": ["hopper-medium-expert"],
            "finetune.planners": ["ddim"],
            "finetune.first_environment_seed": 20015,
        },
        "finetune.first_environment_seed",
        ["tune tunes in 20000 to 20015", "use 20016 or more"],
    ),
    "fine-tuning that is evaluated in more episodes than there are": (
        {
            "finetune.tasks": ["hopper-medium-expert"],
            "finetune.planners": ["ddim"],
            "finetune.evaluation_episodes": 11,
        },
        "finetune.evaluation_episodes",
        ["11 is more than evaluate.episodes (10)"],
    ),
    "fine-tuning of what is no network": (
        {"finetune.variants": {"mine": ["denoiser"]}},
        "finetune.variants.mine.0",
        ["'denoiser'"],
    ),
    "openvino on a GPU": (
        {"run.device": "cuda", "planning.runtime": "openvino"},
        "planning.runtime",
        ["run.device is cuda", "use auto or torch"],
    ),
}


@pytest.mark.parametrize(("changes", "key", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_file_key_and_remedy(tmp_path, changes, key, says):
    line = message(tmp_path, yaml.safe_dump(changed(changes), sort_keys=False))
    assert line.startswith(f"{key.replace('TASK', TASK)}: ")
    for part in says:
        assert part in line


def test_a_key_given_twice_is_refused_with_its_line(tmp_path):
    text = (ROOT / PARAMS_FILE).read_text()
    assert "key 'evaluate' is given more than once" in message(tmp_path, text + "\nevaluate: {}\n")


def test_a_key_that_is_not_text_is_refused(tmp_path):
    assert "key 1 is not text; put it in quotes" in message(tmp_path, "planners: {1: {}}")


@pytest.mark.parametrize("file", ["/a", "../a", "a/../../a", "..", "https://a.org/../a", "https://a.org/.."])
def test_a_file_that_leaves_the_folder_of_its_task_is_refused(tmp_path, file):
    line = message(tmp_path, yaml.safe_dump(changed({"tasks.TASK.source": D4RL | {"file": file}})))
    assert line.startswith(f"tasks.{TASK}.source.file: {file!r} leaves data/external/{TASK}/; ")


@pytest.mark.parametrize("file", [".", "a/", "https://a.org/", "a" * 201])
def test_a_file_without_a_name_of_its_own_is_refused(tmp_path, file):
    line = message(tmp_path, yaml.safe_dump(changed({"tasks.TASK.source": D4RL | {"file": file}})))
    assert line.startswith(f"tasks.{TASK}.source.file: {file!r} must end in the name of a file")


@pytest.mark.parametrize(
    "file", ["a..b.hdf5", "folder/a b.hdf5", "https://a.org/a.hdf5", "http://a.org/a.hdf5"]
)
def test_files_in_the_folder_and_safe_addresses_are_accepted(tmp_path, file):
    sha256 = "0" * 64 if file.startswith("http:") else None
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed({"tasks.TASK.source": D4RL | {"file": file, "sha256": sha256}})))
    assert load_params(path)["tasks"][TASK]["source"]["file"] == file


@pytest.mark.parametrize("number", ["010", "-01", "1:30"])
def test_a_whole_number_that_dvc_reads_as_another_is_refused(tmp_path, number):
    text = (ROOT / PARAMS_FILE).read_text().replace("seeds: [0, 1, 2]", f"seeds: [0, {number}]")
    assert re.search(
        rf"line \d+: {number} is not the same number .*; write it without", message(tmp_path, text)
    )


@pytest.mark.parametrize(("text", "says"), [("run: [", "not valid YAML"), ("", "None"), ("- 1", "'object'")])
def test_what_is_no_mapping_is_refused(tmp_path, text, says):
    assert says in message(tmp_path, text)


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


def test_a_task_has_its_own_settings_of_a_training_and_the_others_do_not(tmp_path):
    changes = {"tasks.TASK.training": {"train_diffusion": {"steps": 7, "learning_rate": 0.5}}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(changed(changes), sort_keys=False))
    params = load_params(tmp_path / "params.yaml")
    own = for_task(params, TASK)
    assert own["train_diffusion"] == params["train_diffusion"] | {"steps": 7, "learning_rate": 0.5}
    assert {key for key in own if own[key] != params[key]} == {"train_diffusion"}
    assert for_task(params, "maze-umaze") == params


def test_a_chain_that_no_task_has_refuses_nothing(tmp_path):
    own = {"tasks.TASK.training": {"train_diffusion": {"diffusion_steps": 100}}}
    text = yaml.safe_dump(changed(own | {"train_diffusion.diffusion_steps": 4}), sort_keys=False)
    (tmp_path / "params.yaml").write_text(text)
    load_params(tmp_path / "params.yaml")


def test_complete_rows_are_valid_too(tmp_path):
    params = load_params(ROOT / PARAMS_FILE)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert load_params(tmp_path / "params.yaml") == params


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
