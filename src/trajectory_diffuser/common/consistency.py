"""What a schema cannot say: whether the values of params.yaml fit each other."""

import math
from typing import Any

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.schema_errors import suggestion

RIVALS = ("decision_transformer", "iql", "td3_plus_bc")  # the keys that rivals may have
LONGEST_FILE_NAME = 200
REFERENCES = {  # what a claim may be about; rivals are not timed
    "better": "planners or policies or rivals",
    "faster": "planners or policies",
    "fastest": "planners or policies",
}
TUNED_THERE = "with which it would be tuned"


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
        _check_planner(name, written, params)
    _check_tuning(params)
    _check_finetuning(params)
    _check_networks(params)
    if params["run"]["device"] == "cuda" and params["planning"]["runtime"] == "openvino":
        raise UserError(
            "planning.runtime: openvino computes on a CPU here, run.device is cuda; use auto or torch"
        )
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
        for role, kinds in (("subject", "planners"), ("reference", REFERENCES[claim["kind"]]))
        if role in claim
    ]
    for key, kind, names in (
        ("run.tasks", "tasks", params["run"]["tasks"]),
        ("run.planners", "planners", params["run"]["planners"]),
        ("run.policies", "policies", params["run"]["policies"]),
        ("run.experiments", "experiments", params["run"]["experiments"]),
        ("evaluate_training.planners", "planners", params["evaluate_training"]["planners"]),
        ("finetune.tasks", "tasks", params["finetune"]["tasks"]),
        ("finetune.planners", "planners", params["finetune"]["planners"]),
        ("measure_scaling.tasks", "tasks", params["measure_scaling"]["tasks"]),
        ("measure_scaling.planners", "planners", params["measure_scaling"]["planners"]),
        *((f"make_report.studies.{name}.tasks", "tasks", study["tasks"]) for name, study in studies.items()),
        *claimed,
    ):
        for name in names:
            known = [each for section in kind.split(" or ") for each in params[section]]
            if name not in known:
                hint = suggestion(name, known)
                raise UserError(f"{key}: {name!r} has no entry under {kind}; {hint}")
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
    scaling, steps = params["measure_scaling"], params["train_diffusion"]["diffusion_steps"]
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
    if max(scaling["refine_steps"]) > steps:
        raise UserError(
            f"measure_scaling.refine_steps: {max(scaling['refine_steps'])} is more than "
            f"train_diffusion.diffusion_steps ({steps}); use at most {steps}"
        )


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
    for stage in (name for name in params if name.startswith("train_")):
        if params[stage].get("keep_at", keep_at) != keep_at:
            raise UserError(
                f"{stage}.keep_at: a planner's networks are all taken at the same share of their steps; "
                "say it in base_training alone"
            )


def _check_experiments(params: dict[str, Any]) -> None:
    steps = params["train_diffusion"]["diffusion_steps"]
    for name in params["run"]["experiments"]:
        experiment = params["experiments"][name]
        _require_in_run(f"experiments.{name}.planners", experiment["planners"], TUNED_THERE, params)
        if max(calls := experiment["vary"].get("refine_steps", [0])) > steps:
            raise UserError(
                f"experiments.{name}.vary.refine_steps: {max(calls)} is more than "
                f"train_diffusion.diffusion_steps ({steps}); use at most {steps}"
            )
        if experiment["episodes"] > params["evaluate"]["episodes"]:
            raise UserError(
                f"experiments.{name}.episodes: {experiment['episodes']} is more than evaluate.episodes "
                f"({params['evaluate']['episodes']}); use at most as many"
            )


def _check_planner(name: str, written: dict[str, Any], params: dict[str, Any]) -> None:
    row, steps = params["planners"][name], params["train_diffusion"]["diffusion_steps"]
    start, calls = row["start"], row["refine_steps"]

    def key(*keys: str) -> str:
        """Where the user wrote it: the first of these keys that the row has, or else the base's."""
        own = [key for key in keys if key in written]
        return f"planners.{name}.{own[0]}" if own else f"base_planner.{keys[0]}"

    if calls != "all" and calls > steps:
        raise UserError(
            f"{key('refine_steps')}: {calls} is more than train_diffusion.diffusion_steps ({steps}); "
            f"use at most {steps}, or all"
        )
    if start != "draft" and calls == 0:
        raise UserError(
            f"{key('refine_steps', 'start')}: refine_steps: 0 leaves start: {start} as it is; use at least 1"
        )
    if start == "noise" and row["sampler"] == "ddpm" and calls not in ("all", steps):
        raise UserError(
            f"{key('refine_steps', 'start', 'sampler')}: ddpm from noise takes every step, and {name} has "
            f"refine_steps: {calls}; use all, or sampler: ddim to take fewer"
        )
    if "last_steps" in row:
        last = row["last_steps"]
        if start == "noise":
            raise UserError(
                f"{key('last_steps', 'start')}: a start from noise goes through the whole chain; "
                "remove last_steps"
            )
        if calls in (0, "all") or not calls <= last <= steps:
            raise UserError(
                f"{key('last_steps', 'refine_steps')}: last_steps: {last} must lie between refine_steps "
                f"({calls}) and train_diffusion.diffusion_steps ({steps})"
            )
    if "selection" in row and row["candidates"] == 1:
        raise UserError(
            f"{key('selection', 'candidates')}: of candidates: 1 there is nothing to select; "
            "use more candidates, or remove selection"
        )
    if start != "draft" and row["redraft_every"] > 1:
        raise UserError(
            f"{key('redraft_every', 'start')}: there is no draft with start: {start}; use redraft_every: 1"
        )
    for task in params["run"]["tasks"]:
        horizon, stride = params["tasks"][task]["horizon"], params["tasks"][task]["stride"]
        uses = {"start": start == "previous_plan"}
        uses |= {each: row[each] > 1 for each in ("redraft_every", "actions_per_plan")}
        goes_on = [each for each, used in uses.items() if used]
        if stride > 1 and goes_on and name in params["run"]["planners"]:
            raise UserError(
                f"{key(goes_on[0])}: {name} goes on with a plan one step later, whose states are "
                f"{stride} steps apart (tasks.{task}.stride); leave {name} out of run.planners"
            )
        if row["actions_per_plan"] >= horizon:
            raise UserError(
                f"{key('actions_per_plan')}: {row['actions_per_plan']} actions are more than a plan of "
                f"tasks.{task}.horizon ({horizon}) states has"
            )
    if start == "noise" and row["forward_noise"]:
        raise UserError(
            f"{key('forward_noise', 'start')}: a start from noise has nothing to add noise to; "
            "use forward_noise: false"
        )


def _check_tuning(params: dict[str, Any]) -> None:
    tune, evaluate = params["tune"], params["evaluate"]
    for kind in ("planners", "policies"):
        for name, row in params[kind].items():
            lengths = {key: len(values) for key, values in tune["grid"].items() if row.get(key) == "tuned"}
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
    if not finetune["tasks"]:
        return
    _require_in_run("finetune.tasks", finetune["tasks"], "whose networks are trained on", params, "tasks")
    _require_in_run("finetune.planners", finetune["planners"], TUNED_THERE, params)
    if finetune["evaluation_episodes"] > params["evaluate"]["episodes"]:
        raise UserError(
            f"finetune.evaluation_episodes: {finetune['evaluation_episodes']} is more than evaluate.episodes "
            f"({params['evaluate']['episodes']}); use at most as many"
        )
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


def _check_networks(params: dict[str, Any]) -> None:
    width, heads = params["train_transformer"]["width"], params["train_transformer"]["heads"]
    if width % 2 or width % heads:
        raise UserError(f"train_transformer.width: {width} must be even and a multiple of heads ({heads})")
    past = params["train_diffusion"]["past_states"]
    for name, task in params["tasks"].items():
        if task["history"] <= past:
            raise UserError(
                f"train_diffusion.past_states: {past} are too many for tasks.{name}.history "
                f"({task['history']}), which counts the present state too"
            )
    halvings = len(params["train_diffusion"]["channel_multipliers"]) - 1
    horizons = {f"tasks.{name}.horizon": [task["horizon"]] for name, task in params["tasks"].items()}
    if params["measure_scaling"]["tasks"]:
        horizons["measure_scaling.horizons"] = params["measure_scaling"]["horizons"]
    for key, values in horizons.items():
        for horizon in values:
            if (horizon + past) % 2**halvings:
                with_past = f" with train_diffusion.past_states ({past})" if past else ""
                raise UserError(
                    f"{key}: {horizon}{with_past} must be a multiple of {2**halvings}, because the denoiser "
                    f"halves it {halvings} times (train_diffusion.channel_multipliers)"
                )
