"""params.yaml: loaded once, checked against its schema and for what a schema cannot say."""

import math
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.schema_errors import describe, suggestion

PARAMS_FILE = "params.yaml"
SCHEMA_FILE = Path(__file__).parents[3] / "workflow" / "schemas" / "params.schema.yaml"


def load_params(path: Path | str = PARAMS_FILE) -> dict[str, Any]:
    """The checked parameters. Raises `UserError` (one line: file, key, remedy) on the first thing wrong."""
    try:
        text = Path(path).read_text()
    except OSError:
        raise UserError(f"{path}: not found; run from the repository's root") from None
    try:
        params = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    schema = yaml.safe_load(SCHEMA_FILE.read_text())
    errors = sorted(
        _Validator(schema).iter_errors(params), key=lambda error: [str(part) for part in error.absolute_path]
    )
    if errors:
        raise UserError(f"{path}: {describe(errors[0])}")
    _check_references(params, str(path))
    return params


def planner_episodes(params: dict[str, Any], planner: str) -> int:
    """How many episodes a planner is evaluated for: its row's own number or `evaluate.episodes`."""
    return params["planners"][planner].get("episodes", params["evaluate"]["episodes"])


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of a silent override."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: key {key!r} is given more than once")
            if not isinstance(key, str):
                raise yaml.YAMLError(
                    f"line {node.start_mark.line + 1}: key {key!r} is not text; put it in quotes"
                )
        return super().construct_mapping(node, deep)


def _is_integer(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(checker: Any, value: Any) -> bool:
    return _is_integer(checker, value) or (isinstance(value, float) and math.isfinite(value))


# Stricter than JSON Schema: 3.0 is no whole number (it cannot count steps), and numbers are finite.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_finite}
    ),
)


def _check_references(params: dict[str, Any], path: str) -> None:
    sweep = params["measure_latency"]["sweep"]
    for key, kind, names in (
        ("run.tasks", "tasks", params["run"]["tasks"]),
        ("run.planners", "planners", params["run"]["planners"]),
        ("measure_latency.sweep.planners", "planners", sweep["planners"]),
    ):
        for name in names:
            if name not in params[kind]:
                hint = suggestion(name, list(params[kind]))
                raise UserError(f"{path}: {key}: {name!r} has no entry under {kind}; {hint}")
    shortest = min(sweep["horizons"])
    for name in sweep["planners"]:
        actions = params["planners"][name]["actions_per_plan"]
        if actions >= shortest:
            raise UserError(
                f"{path}: measure_latency.sweep.horizons: {shortest} states are too few for {name}, which "
                f"takes {actions} actions per plan"
            )
    steps = params["train_diffusion"]["diffusion_steps"]
    if max(sweep["refine_steps"]) > steps:
        raise UserError(
            f"{path}: measure_latency.sweep.refine_steps: {max(sweep['refine_steps'])} is more than "
            f"train_diffusion.diffusion_steps ({steps}); use at most {steps}"
        )
    for name, row in params["planners"].items():
        key = f"{path}: planners.{name}"
        if row["refine_steps"] != "all" and row["refine_steps"] > steps:
            raise UserError(
                f"{key}.refine_steps: {row['refine_steps']} is more than train_diffusion.diffusion_steps "
                f"({steps}); use at most {steps}, or all"
            )
        if row["start"] != "draft" and row["refine_steps"] == 0:
            raise UserError(
                f"{key}.refine_steps: 0 leaves the start {row['start']!r} as it is; use at least 1"
            )
        if row["start"] == "noise" and row["sampler"] == "ddpm" and row["refine_steps"] not in ("all", steps):
            raise UserError(
                f"{key}.refine_steps: ddpm from noise takes every step; "
                f"use all, or sampler: ddim to take fewer"
            )
        if "last_steps" in row:
            _check_last_steps(key, row, steps)
        if row["start"] != "draft" and row["redraft_every"] > 1:
            raise UserError(f"{key}.redraft_every: there is no draft with start: {row['start']}; use 1")
        for task in params["run"]["tasks"]:
            if row["actions_per_plan"] >= params["tasks"][task]["horizon"]:
                raise UserError(
                    f"{key}.actions_per_plan: {row['actions_per_plan']} actions are more than a plan of "
                    f"tasks.{task}.horizon ({params['tasks'][task]['horizon']}) states has"
                )
        if row["start"] == "noise" and row["forward_noise"]:
            raise UserError(f"{key}.forward_noise: a start from noise has nothing to add noise to; use false")
    width, heads = params["train_transformer"]["width"], params["train_transformer"]["heads"]
    if width % 2 or width % heads:
        raise UserError(
            f"{path}: train_transformer.width: {width} must be even and a multiple of heads ({heads})"
        )
    multipliers = params["train_diffusion"]["channel_multipliers"]
    factor = 2 ** (len(multipliers) - 1)
    horizons = {f"tasks.{name}.horizon": [task["horizon"]] for name, task in params["tasks"].items()}
    horizons["measure_latency.sweep.horizons"] = sweep["horizons"]
    for key, values in horizons.items():
        for horizon in values:
            if horizon % factor:
                raise UserError(
                    f"{path}: {key}: {horizon} must be a multiple of {factor}, because the denoiser "
                    f"halves it {len(multipliers) - 1} times (train_diffusion.channel_multipliers)"
                )
    for name, task in params["tasks"].items():
        scores = task["reference_scores"]
        if scores != "measured" and scores["maximum"] <= scores["minimum"]:
            raise UserError(f"{path}: tasks.{name}.reference_scores: maximum must be above minimum")


def _check_last_steps(key: str, row: dict[str, Any], diffusion_steps: int) -> None:
    last, calls = row["last_steps"], row["refine_steps"]
    if row["start"] == "noise":
        raise UserError(f"{key}.last_steps: a start from noise goes through the whole chain; remove it")
    if calls in (0, "all") or not calls <= last <= diffusion_steps:
        raise UserError(
            f"{key}.last_steps: {last} must lie between refine_steps ({calls}) and "
            f"train_diffusion.diffusion_steps ({diffusion_steps})"
        )
