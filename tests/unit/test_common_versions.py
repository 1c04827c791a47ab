import subprocess
from pathlib import Path

from trajectory_diffuser.common import versions


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_that_of_the_code_and_not_of_a_repository_around_it(tmp_path, monkeypatch):
    code = tmp_path / "installed" / "versions.py"
    code.parent.mkdir()
    code.write_text("")
    (tmp_path / "mine.txt").write_text("somebody else's project")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "mine.txt")
    git(tmp_path, "commit", "--quiet", "--message", "mine")
    monkeypatch.setattr(versions, "__file__", str(code))
    assert versions.code_commit() == "unknown"
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "the code too")
    assert versions.code_commit() == git(tmp_path, "rev-parse", "--short=12", "HEAD")
    (tmp_path / "dvc.lock").write_text("schema: '2.0'")
    (tmp_path / "params.yaml").write_text("run: {}")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "the ledger")
    (tmp_path / "dvc.lock").write_text("written while stages run")
    (tmp_path / "params.yaml").write_text("run: {tasks: []}")
    assert versions.code_commit() == git(tmp_path, "rev-parse", "--short=12", "HEAD")
    code.write_text("# changed")
    assert versions.code_commit().endswith("-modified")
