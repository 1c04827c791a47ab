"""What produced a result: library versions and the commit of the code."""

import subprocess
from importlib.metadata import version
from pathlib import Path

NO_CODE = (":(top,exclude)dvc.lock", ":(top,exclude)params.yaml")


def library_versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions (default: those that decide the numbers)."""
    return {name: version(name) for name in names or ("torch", "openvino", "mujoco", "gymnasium", "numpy")}


def code_commit() -> str:
    """This code's git commit, with `-modified` appended when tracked files differ; `unknown` outside git.

    dvc.lock does not count, which DVC writes while its stages run, nor does params.yaml, which is no code.
    """
    here = Path(__file__)
    try:
        # An installed copy may lie within another project's repository, whose commit says nothing.
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        commit = _git(here.parent, "describe", "--always", "--abbrev=12", "--exclude=*")
        changed = _git(here.parent, "diff", "--name-only", "HEAD", "--", ":/", *NO_CODE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-modified" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
