"""What produced a result: library versions and the commit of the code."""

import subprocess
from importlib.metadata import version


def library_versions(*names: str) -> dict[str, str]:
    """Installed versions of the named distributions (default: those that decide the numbers)."""
    return {name: version(name) for name in names or ("torch", "openvino", "mujoco", "gymnasium", "numpy")}


def code_commit() -> str:
    """The current git commit, with `-modified` appended when tracked files differ; `unknown` outside git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=-modified", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
