"""What a schema cannot say: whether the values of params.yaml fit each other."""

import math
from typing import Any

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.network_consistency import check_calls, check_networks
from trajectory_diffuser.common.planner_consistency import check_planner, check_varied
from trajectory_diffuser.common.schema_errors import suggestion
from trajectory_diffuser.finetuning.variants import CONTROL

RIVALS = ("decision_transformer", "iql", "td3_plus_bc")  # the keys that rivals may have
LONGEST_FILE_NAME = 200
REFERENCES = {  # what a claim may be about; rivals are not timed
    "better": ("planners", "policies", "rivals"),
    "faster": ("planners", "policies"),
    "fastest": ("planners", "policies"),
}


def check_consistency(params: dict[str, Any], written_planners: dict[str, Any]) -> None:
    """Raise `UserError` (one line: key, remedy) on the first value that does not fit the others.

    `params` have complete rows; `written_planners` are the rows as they are in the file, so that an error
    names the key that the user wrote: the row's or else base_planner's.
    """
    _check_names(params)
    _check_scaling(params)
    _check_training_scores(params)
    _check_experiments(params)
    for name, written in written_planners.items():
        check_planner(name, written, params)
    _check_tuning(params)
    _check_finetuning(params)
    check_networks(params)
    if params["run"]["device"] == "cuda" and params["planning"]["runtime"] == "openvino":
        raise UserError(
            "planning.runtime: openvino computes on a CPU here, run.device is cuda; use auto or torch"
        )
    for name, study in params["make_report"]["studies"].items():
        if len({isinstance(value, str) for value in study["tasks"].values()}) > 1:
            raise UserError(f"make_report.studies.{name}.tasks: numbers and words; use one kind for all")
    for name, task in params["tasks"].items():
        if "file" in task["source"]:
            _check_file(name, **{key: task["source"][key] for key in ("file", "sha256")})
        scores = task["reference_scores"]
        if scores != "measured" and scores["maximum"] <= scores["minimum"]:
            raise UserError(f"tasks.{name}.reference_scores: maximum must be above minimum")


def _check_names(params: dict[str, Any]) -> None:
    studies = params["make_report"]["studies"]
    claimed = [
        (f"make_report.claims.{name}.{role}", kinds, [claim[role]])
        for name, claim in params["make_report"]["claims"].items()
        for role, kinds in (("subject", ("planners",)), ("reference", REFERENCES[claim["kind"]]))
        if role in claim
    ]
    for key, sections, names in (
        ("run.tasks", ("tasks",), params["run"]["tasks"]),
        ("run.planners", ("planners",), params["run"]["planners"]),
        ("run.policies", ("policies",), params["run"]["policies"]),
        ("run.experiments", ("experiments",), params["run"]["experiments"]),
        ("run.experiment_tasks", ("tasks",), params["run"]["experiment_tasks"]),
        ("evaluate_training.planners", ("planners",), params["evaluate_training"]["planners"]),
        ("finetune.tasks", ("tasks",), params["finetune"]["tasks"]),
        ("finetune.planners", ("planners",), params["finetune"]["planners"]),
        ("measure_scaling.tasks", ("tasks",), params["measure_scaling"]["tasks"]),
        ("measure_scaling.planners", ("planners",), params["measure_scaling"]["planners"]),
        ("film.planners", ("planners",), params["film"]["planners"]),
        *((f"make_report.studies.{name}.tasks", ("tasks",), each["tasks"]) for name, each in studies.items()),
        *claimed,
    ):
        for name in names:
            known = [each for section in sections for each in params[section]]
            if name not in known:
                where, hint = " or ".join(sections), suggestion(name, known)
                raise UserError(f"{key}: {name!r} has no entry under {where}; {hint}")
    for name in params["policies"]:
        if name in params["planners"]:
            raise UserError(f"policies.{name}: a planner has this name too; rename one of them")
    for kind in ("planners", "policies"):
        for name in RIVALS:
            if name in params[kind]:
                raise UserError(f"{kind}.{name}: the name of a rival, see rivals; choose another")


def _check_file(task: str, file: str, sha256: str | None) -> None:
    key, address = f"tasks.{task}.source.file", "://" in file
    if address and not file.startswith(("https://", "http://")):
        raise UserError(f"{key}: {file!r} is not an https address; use one, or the name of a file")
    if file.startswith("http://") and sha256 is None:
        raise UserError(
            f"{key}: what comes from {file!r} could be anybody's; use https, or give the file's sha256"
        )
    if file.startswith("/") or ".." in file.split("/"):
        raise UserError(
            f"{key}: {file!r} leaves data/external/{task}/; put or link the file there, and write its name"
        )
    name = file.rsplit("/", 1)[-1]
    if name in ("", ".") or len(name) > LONGEST_FILE_NAME:
        raise UserError(
            f"{key}: {file!r} must end in the name of a file, of at most {LONGEST_FILE_NAME} characters"
        )


def _check_scaling(params: dict[str, Any]) -> None:
    scaling = params["measure_scaling"]
    if not scaling["tasks"]:
        return
    _require_in_run("measure_scaling.tasks", scaling["tasks"], "whose data are prepared", params, "tasks")
    shortest = min(scaling["horizons"])
    for name in scaling["planners"]:
        actions = params["planners"][name]["actions_per_plan"]
        if actions >= shortest:
            raise UserError(
                f"measure_scaling.horizons: {shortest} states are too few for {name}, which "
                f"takes {actions} actions per plan"
            )
    check_calls("measure_scaling.refine_steps", max(scaling["refine_steps"]), params, scaling["tasks"])


def _require_in_run(
    key: str, names: list[str], why: str, params: dict[str, Any], kind: str = "planners"
) -> None:
    for name in names:
        if name not in params["run"][kind]:
            raise UserError(f"{key}: {name!r} is not among run.{kind}, {why}; add it there or remove it here")


def _check_training_scores(params: dict[str, Any]) -> None:
    planners, keep_at = params["evaluate_training"]["planners"], params["base_training"]["keep_at"]
    _require_in_run("evaluate_training.planners", planners, "whose evaluation is the last point", params)
    if planners and not keep_at:
        raise UserError(
            "base_training.keep_at: evaluate_training.planners need shares of the steps, or be []"
        )
    if planners:
        _within_evaluation("evaluate_training", "episodes", params["evaluate_training"], params)
    for stage in (name for name in params if name.startswith("train_")):
        if params[stage].get("keep_at", keep_at) != keep_at:
            raise UserError(
                f"{stage}.keep_at: a planner's networks are all taken at the same share of their steps; "
                "say it in base_training alone"
            )


def _check_experiments(params: dict[str, Any]) -> None:
    run = params["run"]
    if not run["experiments"]:
        return
    _require_in_run(
        "run.experiment_tasks", run["experiment_tasks"], "whose networks are asked", params, "tasks"
    )
    if not run["experiment_tasks"]:
        raise UserError(
            f"run.experiment_tasks: {run['experiments'][0]} needs tasks to be made on; name some of run.tasks"
        )
    for name in run["experiments"]:
        experiment = params["experiments"][name]
        planners = experiment["planners"]
        _require_in_run(f"experiments.{name}.planners", planners, "with which it would be tuned", params)
        for key in ("refine_steps", "last_steps"):
            most = max(experiment["vary"].get(key, [0]))
            check_calls(f"experiments.{name}.vary.{key}", most, params, run["experiment_tasks"])
        for planner in experiment["planners"]:
            check_varied(name, planner, params)
        _within_evaluation(f"experiments.{name}", "episodes", experiment, params)


def _within_evaluation(section: str, key: str, settings: dict[str, Any], params: dict[str, Any]) -> None:
    most = params["evaluate"]["episodes"]
    if settings[key] > most:
        raise UserError(
            f"{section}.{key}: {settings[key]} is more than evaluate.episodes ({most}); use at most as many"
        )


def _check_tuning(params: dict[str, Any]) -> None:
    tune, evaluate = params["tune"], params["evaluate"]
    for kind in ("planners", "policies"):
        for name, row in params[kind].items():
            lengths = {key: len(values) for key, values in tune["grid"].items() if row.get(key) == "tuned"}
            if not lengths:
                continue
            points = math.prod(lengths.values())
            finalists = min(tune["finalists"], points)
            if tune["episodes"] % (whole := 2 * math.lcm(points, finalists)):
                sizes = " x ".join(f"{length} {key}" for key, length in lengths.items())
                raise UserError(
                    f"tune.episodes: {tune['episodes']} cannot be shared out equally, half among the "
                    f"{points} combinations ({sizes}) that {kind}.{name} leaves to tuning, half among "
                    f"{finalists} finalists; use a multiple of {whole}"
                )
    trials, held_out = (_environments(stage, stage["episodes"]) for stage in (tune, evaluate))
    if _overlap(trials, held_out):
        raise UserError(
            f"tune.first_environment_seed: environments {trials.start} to {trials.stop - 1} are tuned in "
            f"and {held_out.start} to {held_out.stop - 1} evaluated; use {held_out.stop} or more"
        )


def _check_finetuning(params: dict[str, Any]) -> None:
    finetune = params["finetune"]
    if CONTROL in finetune["variants"]:
        raise UserError(f"finetune.variants.{CONTROL}: the name of the control; use another")
    if not finetune["tasks"]:
        return
    _require_in_run("finetune.tasks", finetune["tasks"], "whose networks are trained on", params, "tasks")
    _require_in_run("finetune.planners", finetune["planners"], "with which it would be tuned", params)
    _within_evaluation("finetune", "evaluation_episodes", finetune, params)
    collected = _environments(finetune, finetune["rounds"] * finetune["episodes"])
    for stage, does in (("tune", "tunes in"), ("evaluate", "evaluates in")):
        others = _environments(params[stage], params[stage]["episodes"])
        if _overlap(collected, others):
            last, other = collected.stop - 1, others.stop - 1
            raise UserError(
                f"finetune.first_environment_seed: environments {collected.start} to {last} are collected "
                f"in, and {stage} {does} {others.start} to {other}; use {others.stop} or more"
            )


def _environments(section: dict[str, Any], count: int) -> range:
    """The seeds of a section's environments."""
    return range(section["first_environment_seed"], section["first_environment_seed"] + count)


def _overlap(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)
