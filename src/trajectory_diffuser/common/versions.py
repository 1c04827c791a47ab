"""What produced a result: library versions and the commit of the code."""

import subprocess
from importlib.metadata import version
from pathlib import Path


def library_versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions (default: those that decide the numbers)."""
    return {name: version(name) for name in names or ("torch", "openvino", "mujoco", "gymnasium", "numpy")}


def code_commit() -> str:
    """This code's git commit, with `-modified` appended when tracked files differ; `unknown` outside git."""
    here = Path(__file__)
    describe = ["git", "describe", "--always", "--abbrev=12", "--dirty=-modified", "--exclude=*"]
    try:
        # An installed copy may lie within another project's repository, whose commit says nothing.
        for command in (["git", "ls-files", "--error-unmatch", here.name], describe):
            done = subprocess.run(command, cwd=here.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
