"""A project of their own for the graph and integration tests, and the two engines run in it."""

import hashlib
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

from trajectory_diffuser.computing.manifest import TIMES

ROOT = Path(__file__).parents[1]
presets = runpy.run_path(str(ROOT / "workflow" / "scripts" / "use_preset.py"))
TIMED = ("latency", "experiment_latency", "scaling", "film")
TIMELESS = ("metrics.json", "scores.json", "scores.csv")  # of the report
NO_RESULT = (".snakemake_timestamp", TIMES)  # not a stage's, and no part of what it writes


def sources() -> list[str]:
    """Every file here that git knows or would not ignore, but for results."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    names = [name for name in done.stdout.split("\0") if name and (ROOT / name).exists()]
    return [name for name in names if not name.startswith("results/") and name != "dvc.lock"]


class Project:
    """A copy of the project, under git, without results."""

    def __init__(self, folder: Path, preset: str | None = None) -> None:
        self.folder = folder
        for name in sources():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
        if preset:
            self.use_preset(preset)
        self.run("git", "init", "--quiet")
        self.commit()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project, with this environment's programs first."""
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(), capture_output=True, text=True
        )

    def environment(self) -> dict[str, str]:
        """The variables of a command in the project."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        # One thread per process: the tests measure nothing, and the machine may be small.
        environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        # The same files are the same commit, which results name.
        return environment | dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "1721736000 +0000")

    def duplicate(self, folder: Path) -> "Project":
        """A copy of this project with all that it has made, as old as here."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return self.at(folder)

    @classmethod
    def at(cls, folder: Path) -> "Project":
        """The project in a folder, where it is already or is to be made."""
        project = cls.__new__(cls)
        project.folder = folder
        return project

    def use_preset(self, name: str) -> None:
        """Make params.yaml a preset."""
        done = self.run("python", "workflow/scripts/use_preset.py", name)
        assert done.returncode == 0, done.stderr

    def commit(self) -> None:
        """Commit everything, as `dvc exp` asks for."""
        self.run("git", "add", "--all")
        author = ("-c", "user.name=tests", "-c", "user.email=tests@localhost")
        done = self.run("git", *author, "commit", "--quiet", "--allow-empty", "--message", "tests")
        assert done.returncode == 0, done.stderr

    def replace(self, old: str, new: str, file: str = "params.yaml") -> None:
        """Replace the first `old` in a file."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def reset(self) -> None:
        """Undo every change to a committed file."""
        self.run("git", "checkout", "--quiet", "--", ".")

    def digests(self) -> dict[str, str]:
        """Of every file that no time may enter: all but timings and, of the report, what is not scores."""
        folders = [self.folder / name for name in ("data/raw", "data/processed", "results/runs")]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        files = [
            path for path in files if path.name not in NO_RESULT and not set(path.parts).intersection(TIMED)
        ]
        report = self.folder / "results" / "report"
        files += [report / name for name in TIMELESS]
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(files)
        }
