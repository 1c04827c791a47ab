"""workflow/code.yaml names the code that each stage runs."""

import ast
from pathlib import Path

import pytest
from project import ROOT

from trajectory_diffuser.common.stage_code import code_hash, stage_code, stages

# Checks and speaks of parameters: a change there is no reason to compute anything again.
OUTSIDE = Path("src/trajectory_diffuser/common")


def imports(path: Path) -> set[Path]:
    """The modules that a module imports, and their packages, relative to the project's folder."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    modules = {Path("src", *name.split(".")).with_suffix(".py") for name in names}
    inside = {path for path in modules if (ROOT / path).is_file() and OUTSIDE not in path.parents}
    return inside | {path.with_name("__init__.py") for path in inside if path.parent.name != "src"}


@pytest.mark.parametrize("stage", stages())
def test_a_stage_names_all_that_it_imports(stage: str) -> None:
    reached, new = set(), {Path("src", f"{stage}.py")}
    while new:
        reached |= new
        new = {imported for path in new for imported in imports(path)} - reached
    assert reached - set(stage_code(stage)) == set()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two stages, of which one runs the other's code."""
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/code.yaml").write_text("train: [models]\nfinetune: [train, rivals/one.py]\n")
    for module in ("computing/files", "common/completion", "models/mlp", "rivals/one", "rivals/two"):
        path = tmp_path / f"src/trajectory_diffuser/{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(module)
    for folder in ("common", "rivals"):
        (tmp_path / f"src/trajectory_diffuser/{folder}/__init__.py").touch()
    for stage in stages(tmp_path):
        (tmp_path / f"src/{stage}.py").write_text(stage)
    return tmp_path


def test_a_stage_runs_its_module_what_all_share_and_what_it_names(project: Path) -> None:
    shared = ["common/__init__.py", "common/completion.py", "computing/files.py"]
    trains = {"train.py", *(f"trajectory_diffuser/{file}" for file in (*shared, "models/mlp.py"))}
    tunes = {"finetune.py", "trajectory_diffuser/rivals/__init__.py", "trajectory_diffuser/rivals/one.py"}
    assert stage_code("train", project) == sorted(Path("src", file) for file in trains)
    assert stage_code("finetune", project) == sorted(Path("src", file) for file in trains | tunes)


def test_a_hash_changes_with_its_stages_code_alone(project: Path) -> None:
    library = project / "src/trajectory_diffuser"
    seen = [code_hash("train", project)]
    for other in (project / "src/finetune.py", library / "rivals/one.py", library / "rivals/two.py"):
        other.write_text("changed")
    (library / "models/__pycache__").mkdir()
    for transient in ("__pycache__/mlp.cpython-311.pyc.140", ".mlp.py.swp", ".DS_Store"):
        (library / "models" / transient).write_text("not code")
    assert [code_hash("train", project)] == seen
    for own in (project / "src/train.py", library / "computing/files.py", library / "models/mlp.py"):
        own.write_text("changed")
        seen.append(code_hash("train", project))
    (library / "models/mlp.py").rename(library / "models/perceptron.py")
    seen.append(code_hash("train", project))
    assert len(set(seen)) == 5
