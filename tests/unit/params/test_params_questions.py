"""What experiments, fine-tuning, films, studies and claims may ask about."""

import pytest
from mistakes import TASK, Mistakes, is_refused

ROW = {"refine_steps": 3}
PLANNER = "planners.x"
REFINEMENT = {"run.experiments": ["refinement"], "run.experiment_tasks": [TASK]}

MISTAKES: Mistakes = {
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
    "an experiment with more last steps than the chain has": (
        REFINEMENT | {"experiments.refinement.vary": {"last_steps": [101]}},
        "experiments.refinement.vary.last_steps",
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
    "an experiment that leaves nothing of a planner": (
        REFINEMENT
        | {
            "experiments.refinement.planners": ["ddim"],
            "experiments.refinement.vary": {"refine_steps": [0]},
        },
        "experiments.refinement.vary",
        ["none of these values makes a planner of ddim"],
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
            "finetune.first_environment_seed": 20031,
        },
        "finetune.first_environment_seed",
        ["tune tunes in 20000 to 20031", "use 20032 or more"],
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
    "fine-tuning called as the control is": (
        {"finetune.variants": {"nothing_collected": ["value"]}},
        "finetune.variants.nothing_collected",
        ["the name of the control"],
    ),
    "fine-tuning of what is no network": (
        {"finetune.variants": {"mine": ["denoiser"]}},
        "finetune.variants.mine.0",
        ["'denoiser'"],
    ),
}


@pytest.mark.parametrize(("changes", "key", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_with_file_key_and_remedy(tmp_path, changes, key, says):
    is_refused(tmp_path, changes, key, says)
