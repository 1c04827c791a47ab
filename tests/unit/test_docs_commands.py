"""Each command of README and docs is run, or read by the program's own parser, or is known to be neither.

Commands are the lines of shell blocks, and in the text what stands in code and begins with a program. One
that no rule covers fails: decide how it is to be tested, and add a rule.
"""

import argparse
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from project import ROOT, Project
from snakemake.cli import get_argument_parser
from test_pages import CHANGELOG, PAGES, parameters_page

from trajectory_diffuser.common.params import load_params

DOCS = [name for name in PAGES if not name.startswith("models/")]
SHELLS = ("sh", "bash", "console", "shell")
PROGRAMS = "python|snakemake|dvc|make|pip|git|hf|minari|apt|apt-get|source|export|kill|time|scancel|pytest|uv"
EXAMPLES = {"{task}": "hopper-medium-expert", "<stage>": "check_parameters"}  # for what stands for a name
BIN = Path(sys.executable).parent


class Rule(NamedTuple):
    """How commands are tested, and where they are run for real or why they are not."""

    pattern: str
    check: Callable[[list[str], Path], None]
    reason: str


class Parsed(BaseException):
    """The command line was accepted."""


def accepts(words: list[str], folder: Path) -> None:
    """The script is there, takes these arguments, and so are the files that they name."""
    script, *arguments = words[1:]
    named = [word for word in arguments if "/" in word and not word.startswith("results/runs")]
    assert [word for word in (script, *named) if not (ROOT / word).exists()] == []
    if script.startswith("benchmarks/") and "argparse" not in (ROOT / script).read_text():
        assert arguments == []
        return
    with pytest.MonkeyPatch.context() as patch:
        parse = argparse.ArgumentParser.parse_args

        def parse_only(parser: argparse.ArgumentParser, *given: object, **more: object) -> None:
            parse(parser, *given, **more)
            raise Parsed

        patch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
        patch.setattr(sys, "argv", [str(ROOT / script), *arguments])
        patch.setattr(sys, "path", [str((ROOT / script).parent), *sys.path])
        patch.chdir(ROOT)
        with pytest.raises(Parsed):
            runpy.run_path(str(ROOT / script), run_name="__main__")


def uses_preset(words: list[str], folder: Path) -> None:
    """`accepts`, and the preset is there."""
    accepts(words, folder)
    assert (ROOT / "workflow/presets" / words[-1]).with_suffix(".yaml").exists()


def makes(words: list[str], folder: Path) -> None:
    """Make knows the target."""
    done = subprocess.run([words[0], "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def snakemake_takes(words: list[str], folder: Path) -> None:
    """Snakemake's own parser, which knows its executors' options, takes it; a profile is there."""
    arguments = get_argument_parser().parse_args(words[1:])
    assert all((ROOT / profile / "config.yaml").exists() for profile in arguments.profile or [])


def dvc_takes(words: list[str], folder: Path) -> None:
    """DVC's own parser takes it; a changed key is one of the parameters'."""
    arguments = get_main_parser().parse_args(words[1:])
    for change in getattr(arguments, "set_param", None) or []:
        assert is_key(change.lstrip("+").partition("=")[0]), change
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(getattr(arguments, "targets", None) or []) - {"HEAD", "NAME", *stages} == set()


def pip_takes(words: list[str], folder: Path) -> None:
    """Pip's own parser takes it, and pyproject.toml has the packages."""
    # In a process of its own: pip brings a distutils that torch's compiler, in a later test, does not take.
    parse = "import sys; from pip._internal.commands import create_command; "
    parse += "print(*create_command('install').parse_args(sys.argv[1:])[1])"
    done = subprocess.run([sys.executable, "-c", parse, *words[2:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    packages = done.stdout.split()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = {"."}.union(*project["optional-dependencies"].values())
    assert set(packages) - known == set()


def helps(words: list[str], folder: Path) -> None:
    """The program has the subcommand."""
    program = [word for word in words if "=" not in word]
    done = subprocess.run([BIN / program[0], *program[1:3], "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def runs(words: list[str], folder: Path) -> None:
    """It ends well, in a folder that has the project's models and examples."""
    folder.mkdir(exist_ok=True)
    for name in ("models", "examples"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    environment = Project.at(ROOT).environment() | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def nothing(words: list[str], folder: Path) -> None:
    """It is somebody else's program."""


RULES = [
    Rule(r"python -c .*\.export\(", runs, "here"),
    Rule(r"python examples/\S+ exported", runs, "here, after the export"),
    Rule(r"python workflow/scripts/use_preset\.py", uses_preset, "run by tests/graph/test_presets.py"),
    Rule(r"python workflow/scripts/parameters_page\.py", nothing, "run by test_pages.py"),
    Rule(r"python workflow/scripts/agree\.py", accepts, "run by tests/integration/test_smoke.py"),
    Rule(r"python workflow/scripts/film\.py", accepts, "takes minutes; its parts: test_filming.py"),
    Rule(r"python workflow/scripts/(publish|ship_model)\.py", accepts, "works on results of hours"),
    Rule(r"python benchmarks/", accepts, "measures: takes minutes to hours"),
    Rule(r"python src/(check_parameters|<stage>)\.py", accepts, "run by tests/graph/test_bad_parameters.py"),
    Rule(r"python src/train_behaviour\.py", accepts, "trains for hours"),
    Rule(r"make ", makes, "makes environments, or results of hours"),
    Rule(r"snakemake .*(--dry-run|--unlock)", snakemake_takes, "run by tests/graph"),
    Rule(r"(time )?snakemake ", snakemake_takes, "takes hours; the smoke preset: tests/integration"),
    Rule(r"dvc ", dvc_takes, "as `snakemake`; pull and push: tests/integration"),
    Rule(r"pip install pip-audit", nothing, "asks the internet"),
    Rule(r"pip-audit ", nothing, "asks the internet; not in requirements.lock"),
    Rule(r"pip install", pip_takes, "installs"),
    Rule(r"hf ", helps, "needs the hub; what it does: test_sharing_planner.py"),
    Rule(r"(\S+=\S+ )?minari ", helps, "needs data that were fetched"),
    Rule(r"(docker|aws) |image=", nothing, "other programs; the recipe: tests/kubernetes"),
    Rule(r"git ", nothing, "git's own"),
    Rule(r"(source|export|kill|scancel|apt|apt-get) ", nothing, "the system's own"),
]


def in_shell(block: str) -> list[str]:
    """The commands of a shell block, without comments."""
    lines = block.replace("\\\n", " ").splitlines()
    parts = [part.strip() for line in lines for part in uncommented(line).split(" && ")]
    return [part for part in parts if part]


def uncommented(line: str) -> str:
    """A line without prompt and comment; a # in quotes is none."""
    if "'" in line or '"' in line:
        return line.partition("  # ")[0].removeprefix("$ ")
    return line.partition(" #")[0].strip().removeprefix("$ ")


def commands_of(page: str) -> list[str]:
    """All commands of a page, in its order."""
    found = []
    blocks = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", flags=re.MULTILINE | re.DOTALL)
    for _, language, block in blocks.findall(page):
        if language in SHELLS:
            found += in_shell(block)
    for span in re.findall(r"`([^`\n]+)`", blocks.sub("", page)):
        if re.match(rf"(\w+=\S+ )?({PROGRAMS}) \S", span):
            found += in_shell(span)
    return found


COMMANDS = list(dict.fromkeys(command for page in DOCS for command in commands_of(PAGES[page])))


def rule_of(command: str) -> Rule | None:
    """The first that covers a command."""
    return next((rule for rule in RULES if re.match(rule.pattern, command)), None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands are run, one after the other."""
    return tmp_path_factory.mktemp("commands")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_docs_is_one_that_works(command: str, folder: Path):
    rule = rule_of(command)
    assert rule is not None, "no rule covers it: how is it to be tested?"
    for placeholder, example in EXAMPLES.items():
        command = command.replace(placeholder, example)
    words = shlex.split(command)
    rule.check(words[1:] if words[0] == "time" else words, folder)


def test_every_rule_is_for_some_command():
    used = {rule_of(command) for command in COMMANDS}
    assert [rule.pattern for rule in RULES if rule not in used] == []


@pytest.mark.parametrize(
    "command",
    [
        "python benchmarks/planning.py runtimez",
        "python benchmarks/plan.py",
        "python workflow/scripts/use_preset.py smokes",
        "python workflow/scripts/agree.py --to dvc",
        "python workflow/scripts/film.py --run models/hopper --planners ddim",
        "make result",
        "snakemake --core-s 8",
        "snakemake --profile profiles/pbs",
        "dvc exp run -S +planners.ddim.guidence=1.5",
        "dvc repro hash_codes",
        "pip install sbx",
        "hf uploads",
        "python examples/act_without_torch.py exportd",
        "cargo run",
    ],
)
def test_a_command_that_does_not_work_is_found(command: str, folder: Path):
    with pytest.raises((AssertionError, SystemExit, DvcParserError)):
        test_a_command_of_the_docs_is_one_that_works(command, folder)


def keys() -> set[str]:
    """Every key of the parameters with those that it is in, * for a name of one's own."""
    schema = yaml.safe_load(parameters_page.SCHEMA.read_text())
    found = set()
    for name, section in schema["properties"].items():
        below = parameters_page.keys(schema, parameters_page.resolved(schema, section))
        found |= {name, *(f"{name}.{key.replace('[]', '')}" for key, _, _ in below)}
    return found


KEYS = keys()
FILES = (".csv", ".gif", ".json", ".md", ".py")
SECTIONS = {key for key in KEYS if "." not in key}


def is_key(name: str) -> bool:
    """Whether the parameters have a key of this dotted name."""
    patterns = [re.escape(key).replace(r"\*", r"[^.]+") for key in KEYS]
    return any(re.fullmatch(f"{pattern}", name) for pattern in patterns)


@pytest.mark.parametrize("page", [page for page in DOCS if page != CHANGELOG])
def test_keys_that_are_named_are_keys_of_the_parameters(page: str):
    spans = set(re.findall(r"`([a-z_]+(?:\.[\w*{}-]+)+)`", PAGES[page]))
    named = {span for span in spans if span.partition(".")[0] in SECTIONS and Path(span).suffix not in FILES}
    assert [name for name in sorted(named) if not is_key(name)] == []


def test_keys_are_told_from_what_is_none():
    assert all(map(is_key, ["run.tasks", "planners.ddim.guidance", "tasks.mine.source.kind"]))
    assert not any(map(is_key, ["run.task", "planners.ddim.guidence", "tasks.mine.kind", "sections.x"]))


def test_what_docs_say_of_parameters_in_yaml_is_accepted(tmp_path: Path):
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    blocks = [
        block for page in DOCS for block in re.findall(r"^```yaml\n(.*?)^```", PAGES[page], flags=re.M | re.S)
    ]
    assert blocks
    params = shipped  # each is joined to what came before: later ones leave out what an earlier one has
    for block in blocks:
        said = yaml.safe_load(re.sub(r"^ *\.\.\.$", "", block, flags=re.MULTILINE))
        merged = joined(params, said)
        for name in said.get("tasks", {}):
            any_task = next(iter(shipped["tasks"].values()))
            merged["tasks"][name] = any_task | merged["tasks"][name]
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(merged, sort_keys=False))
        load_params(tmp_path / "params.yaml")
        params = merged


def joined(base: dict, other: dict) -> dict:
    """One mapping in the other, level by level."""
    both = {
        key: joined(base[key], other[key])
        for key in base.keys() & other.keys()
        if isinstance(other[key], dict)
    }
    return base | other | both


# What runs the Python blocks of a page, in their order.
PYTHON = {
    "README.md": ["test_pages.py"],
    "docs/own-environment.md": ["test_pages.py", "test_pages.py"],
    "docs/planners.md": ["here", "test_sharing_planner.py"],
}


def python_blocks(page: str) -> list[str]:
    """The Python of a page, block by block."""
    return re.findall(r"^```(?:py|python)\n(.*?)^```", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def test_every_block_of_python_is_run_by_some_test():
    assert {page: len(python_blocks(page)) for page in DOCS if python_blocks(page)} == {
        page: len(tests) for page, tests in PYTHON.items()
    }


def test_the_planner_of_the_docs_acts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    names = {"observation": [1.25, *[0.0] * 10], "reward": None}
    exec(python_blocks("docs/planners.md")[0], names)
    assert names["action"].shape == (3,)
