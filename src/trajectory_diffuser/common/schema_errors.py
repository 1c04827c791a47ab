"""What a violation of the schema means to the person who wrote params.yaml."""

import difflib
import json

import jsonschema
import yaml


def describe(error: jsonschema.ValidationError) -> str:
    """The key and the remedy, in one line."""
    error = _meant(error)
    key = ".".join(str(part) for part in error.absolute_path) or "the file"
    allowed = list(error.schema.get("properties", {}))
    description = error.schema.get("description", "")
    if error.validator == "pattern":
        return f"{key}: {error.instance!r} is not valid; use {description}"
    if error.validator == "additionalProperties":
        unknown = min(name for name in error.instance if name not in allowed)
        return f"{key}: unknown key {unknown!r}; {suggestion(unknown, allowed)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{key}: key {missing!r} is missing; add it (see params.schema.yaml)"
    if error.validator == "uniqueItems":
        return f"{key}: {json.dumps(error.instance)} repeats a value; list each once"
    hint = f" ({description})" if description else ""
    if (
        isinstance(error.instance, str)
        and error.validator in ("type", "oneOf")
        and _is_number(error.instance)
    ):
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
            if _is_kind(inner, error)
            or (inner.validator in ("const", "type") and inner.absolute_path == error.absolute_path)
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


def suggestion(name: str, known: list[str]) -> str:
    """What the user may have meant by an unknown name: the nearest known one, or else all of them."""
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
