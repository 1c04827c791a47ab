"""The code that a stage runs, for both engines: Snakemake sees its files, DVC a hash of them."""

import hashlib
from pathlib import Path

import yaml

TABLE = Path("workflow/code.yaml")
PROJECT = Path(__file__).parents[3]
OF_ALL = (
    "computing",
    "common/completion.py",
)  # of common nothing else: it checks and speaks, but computes nothing


def stages(root: Path = PROJECT) -> list[str]:
    """The stages whose code workflow/code.yaml of the project in `root` names."""
    return list(_table(root))


def stage_code(stage: str, root: Path = PROJECT) -> list[Path]:
    """The files that a stage runs, relative to `root`, sorted."""
    return sorted(path.relative_to(root) for path in _files(stage, _table(root), root / "src"))


def code_hash(stage: str, root: Path = PROJECT) -> str:
    """The SHA-256 of the names and contents of these files."""
    digest = hashlib.sha256()
    for path in stage_code(stage, root):
        content = hashlib.sha256((root / path).read_bytes()).hexdigest()
        digest.update(f"{path.as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _table(root: Path) -> dict[str, list[str]]:
    return yaml.safe_load((root / TABLE).read_text())


def _files(stage: str, table: dict[str, list[str]], source: Path) -> set[Path]:
    found = {source / f"{stage}.py"}
    for name in (*OF_ALL, *table[stage]):
        path = source / "trajectory_diffuser" / name
        if name in table:
            found |= _files(name, table, source)
        elif path.is_dir():
            # Not what Python compiles and editors leave there.
            files = (file for file in path.rglob("[!.]*.*") if file.is_file())
            found |= {file for file in files if file.parent.name != "__pycache__"}
        else:
            found |= {path, path.with_name("__init__.py")}
    return found
