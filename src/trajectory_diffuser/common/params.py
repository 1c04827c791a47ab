"""params.yaml: loaded once, checked against its schema and for what a schema cannot say."""

import difflib
import json
import math
import re
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from trajectory_diffuser.common.errors import UserError

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
    errors = sorted(_Validator(schema).iter_errors(params), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise UserError(f"{path}: {_describe(errors[0])}")
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
                raise yaml.YAMLError(f"line {node.start_mark.line + 1}: key {key!r} is not text; put it in quotes")
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


def _describe(error: jsonschema.ValidationError) -> str:
    error = _meant(error)
    key = ".".join(str(part) for part in error.absolute_path) or "the file"
    allowed = list(error.schema.get("properties", {}))
    if error.validator == "additionalProperties":
        names = list(error.schema.get("patternProperties", {}))
        unknown = min(
            name for name in error.instance if name not in allowed and not any(re.search(n, name) for n in names)
        )
        if names:
            return f"{key}: {unknown!r} is not a valid name; use one that matches {names[0]}"
        return f"{key}: unknown key {unknown!r}; {_suggestion(unknown, allowed)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        given = [name for name in error.instance if name not in allowed]
        misspelt = difflib.get_close_matches(missing, given, 1)
        if misspelt:
            return f"{key}: unknown key {misspelt[0]!r}; did you mean {missing!r}?"
        return f"{key}: key {missing!r} is missing; add it (see {SCHEMA_FILE.name})"
    if error.validator == "uniqueItems":
        return f"{key}: {json.dumps(error.instance)} repeats a value; list each once"
    description = error.schema.get("description", "")
    hint = f" ({description})" if description else ""
    if isinstance(error.instance, str) and error.validator in ("type", "oneOf") and _is_number(error.instance):
        return f"{key}: {error.instance!r} is text to YAML; write {_as_yaml(error.instance)}{hint}"
    if error.validator == "oneOf":
        kinds = [inner.validator_value for inner in error.context if _is_kind(inner, error)]
        if kinds:
            return f"{key}.kind: {error.instance['kind']!r} is unknown; one of: {', '.join(kinds)}"
        return f"{key}: {json.dumps(error.instance)} does not fit{hint}"
    return f"{key}: {error.message}{hint}"


def _meant(error: jsonschema.ValidationError) -> jsonschema.ValidationError:
    """Of an error about alternatives the error in the alternative that was meant, where that is clear."""
    while error.context:
        # What is of another type or kind, or not the constant, was not meant.
        other = {
            inner.relative_schema_path[0]
            for inner in error.context
            if _is_kind(inner, error) or (inner.validator in ("const", "type") and inner.absolute_path == error.absolute_path)
        }
        meant = [inner for inner in error.context if inner.relative_schema_path[0] not in other]
        if not meant:
            break
        error = max(meant, key=lambda inner: len(inner.absolute_path))
    return error


def _is_kind(inner: jsonschema.ValidationError, alternatives: jsonschema.ValidationError) -> bool:
    return inner.validator == "const" and inner.absolute_path != alternatives.absolute_path


def _as_yaml(number: str) -> str:
    value = float(number)
    return yaml.safe_dump(int(value) if value.is_integer() else value).splitlines()[0]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def _check_references(params: dict[str, Any], path: str) -> None:
    for kind in ("tasks", "planners"):
        for name in params["run"][kind]:
            if name not in params[kind]:
                hint = _suggestion(name, list(params[kind]))
                raise UserError(f"{path}: run.{kind}: {name!r} has no entry under {kind}; {hint}")
    steps = params["train_diffusion"]["diffusion_steps"]
    for name, row in params["planners"].items():
        key = f"{path}: planners.{name}"
        if row["refine_steps"] != "all" and row["refine_steps"] > steps:
            raise UserError(
                f"{key}.refine_steps: {row['refine_steps']} is more than train_diffusion.diffusion_steps ({steps}); "
                f"use at most {steps}, or all"
            )
        if row["start"] != "draft" and row["refine_steps"] == 0:
            raise UserError(f"{key}.refine_steps: 0 leaves the start {row['start']!r} as it is; use at least 1")
        if row["start"] == "noise" and row["sampler"] == "ddpm" and row["refine_steps"] not in ("all", steps):
            raise UserError(
                f"{key}.refine_steps: ddpm from noise takes every step; use all, or sampler: ddim to take fewer"
            )
        if row["start"] == "noise" and row["forward_noise"]:
            raise UserError(f"{key}.forward_noise: a start from noise has nothing to add noise to; use false")
    width, heads = params["train_transformer"]["width"], params["train_transformer"]["heads"]
    if width % (2 * heads):
        raise UserError(f"{path}: train_transformer.width: {width} must be a multiple of 2 * heads ({2 * heads})")
    multipliers = params["train_diffusion"]["channel_multipliers"]
    for name, task in params["tasks"].items():
        factor = 2 ** (len(multipliers) - 1)
        if task["horizon"] % factor:
            raise UserError(
                f"{path}: tasks.{name}.horizon: {task['horizon']} must be a multiple of {factor}, because the "
                f"denoiser halves it {len(multipliers) - 1} times (train_diffusion.channel_multipliers)"
            )
        shares = sum(part["share"] for part in task["source"].get("mixture", [])) or 1.0
        if abs(shares - 1.0) > 1e-6:
            raise UserError(f"{path}: tasks.{name}.source.mixture: the shares add up to {shares:g}; make it 1")
        scores = task["reference_scores"]
        if scores != "measured" and scores["maximum"] <= scores["minimum"]:
            raise UserError(f"{path}: tasks.{name}.reference_scores: maximum must be above minimum")
