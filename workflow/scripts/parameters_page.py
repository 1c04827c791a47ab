"""Write docs/parameters.md, what each key of params.yaml means, from the schema.

python workflow/scripts/parameters_page.py
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "src/trajectory_diffuser/common/params.schema.yaml"
PAGE = ROOT / "docs/parameters.md"
HEAD = """# Parameters

Every key of `params.yaml`, in its order there. `*` stands for a name of one's own. Anything else is refused
before any work starts. `python workflow/scripts/parameters_page.py` writes this page from the schema.
"""
ROWS = ("planners", "policies")  # with the keys of base_planner and base_policy
OF_SECTIONS = ".training"  # of a task, with the keys of the trainings' sections
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(yaml.safe_load(SCHEMA.read_text())))


def page(schema: dict[str, Any]) -> str:
    """A section per key of the file, a table row per key below it."""
    parts = [HEAD]
    for name, section in schema["properties"].items():
        section = resolved(schema, section)
        parts.append(f"## `{name}`\n")
        if "description" in section:
            parts.append(f"{_sentence(section['description'])}\n")
        if name in ROWS:
            continue
        rows = [f"| `{key}` | {kind} | {meaning} |" for key, kind, meaning in keys(schema, section)]
        if rows:
            parts.append("\n".join(["| key | value | meaning |", "|---|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def keys(schema: dict[str, Any], section: dict[str, Any], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Dotted key, kind of value and meaning of everything in a section; `[]` stands for what a list has.

    Of alternatives each has all of its keys, one after the other.
    """
    entries = {f".{name}": entry for name, entry in section.get("properties", {}).items()}
    for name, within in ((".*", "additionalProperties"), ("[]", "items")):
        if isinstance(section.get(within), dict):
            entries[name] = section[within]
    for name, entry in entries.items():
        entry, path = resolved(schema, entry), f"{above}{name}"
        below = [] if above.endswith(OF_SECTIONS) else list(keys(schema, entry, path))
        for each in (resolved(schema, each) for each in _alternatives(entry)):
            rows = list(keys(schema, each, path))
            if rows and "description" in each:
                below.append((path.removeprefix("."), "one kind", each["description"]))
            below += rows
        kind = "" if below or name == "[]" else _kind(schema, entry)
        if kind or "description" in entry:
            yield path.removeprefix("."), kind, entry.get("description", "").replace("|", "\\|")
        yield from below


def _alternatives(entry: dict[str, Any]) -> list[dict[str, Any]]:
    return entry.get("oneOf", entry.get("anyOf", []))


def resolved(schema: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with what it refers to; its own words stand before those."""
    while isinstance(entry, dict) and "$ref" in entry:
        own = {key: value for key, value in entry.items() if key != "$ref"}
        entry = schema["$defs"][entry["$ref"].rpartition("/")[2]] | own
    return entry if isinstance(entry, dict) else {}


def _kind(schema: dict[str, Any], entry: dict[str, Any]) -> str:
    if "const" in entry:
        return f"`{entry['const']}`"
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if alternatives := _alternatives(entry):
        return " or ".join(dict.fromkeys(_kind(schema, resolved(schema, each)) for each in alternatives))
    kind = entry.get("type", "")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    if kind == "array" and isinstance(entry.get("items"), dict):
        kind = f"list of {_kind(schema, resolved(schema, entry['items']))}"
    limits = [f"{words} {entry[limit]:g}" for limit, words in LIMITS.items() if limit in entry]
    return ", ".join([kind, *limits]) + ("; one or more" if entry.get("minItems") == 1 else "")


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


if __name__ == "__main__":
    main()
