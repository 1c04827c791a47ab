"""params.yaml: read, checked against its schema and for what a schema cannot say, completed."""

import math
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from trajectory_diffuser.common.completion import with_bases
from trajectory_diffuser.common.consistency import check_consistency
from trajectory_diffuser.common.errors import UserError, one_line
from trajectory_diffuser.common.schema_errors import describe

PARAMS_FILE = "params.yaml"


def load_params(path: Path | str = PARAMS_FILE) -> dict[str, Any]:
    """The checked parameters, with what planners, policies and trainings take from their base filled in.

    Raises `UserError` (one line: file, key, remedy) on the first thing wrong.
    """
    written = read_params(path)
    params = with_bases(written)
    try:
        check_consistency(params, written["planners"])
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return params


def read_params(path: Path | str = PARAMS_FILE) -> dict[str, Any]:
    """The parameters as they are written. Raises `UserError` when they are not what the schema describes."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: not found; run from the repository's root") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text: {one_line(error)}") from None
    try:
        params = yaml.load(text, Loader=_UniqueKeyLoader)
    except (yaml.YAMLError, ValueError) as error:  # Python refuses numbers of thousands of digits
        raise UserError(f"{path}: not valid YAML: {one_line(error)}") from None
    try:
        check_schema(params)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return params


def check_schema(params: Any) -> None:
    """Raise `UserError` (one line: key, remedy) on the first thing that is not what the schema describes."""
    errors = sorted(
        _Validator(_schema()).iter_errors(params),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    if errors:
        raise UserError(describe(errors[0]))


@cache
def _schema() -> dict[str, Any]:
    return yaml.safe_load(resources.files(__package__).joinpath("params.schema.yaml").read_text())


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of a silent override.

    So is a whole number that YAML 1.1, which this reader and Snakemake's follow, takes for octal (010) or
    sexagesimal (1:30): DVC's reader follows YAML 1.2 and takes it for something else.
    """

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

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        if re.match(r"[-+]?0[0-7_]|.*:", node.value):
            raise yaml.YAMLError(
                f"line {node.start_mark.line + 1}: {node.value} is not the same number to both "
                "engines; write it without leading zeros and colons"
            )
        return self.construct_yaml_int(node)


_UniqueKeyLoader.add_constructor("tag:yaml.org,2002:int", _UniqueKeyLoader.construct_whole_number)


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
