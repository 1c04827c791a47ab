"""Who else is at work in a folder: neither engine knows of the other, nor of jobs that a killed one left."""

import re
from contextlib import suppress
from pathlib import Path

import psutil


def stage_at_work(folder: Path) -> str | None:
    """One sentence on a stage that another process runs in the folder, and what helps; None without one."""
    here = psutil.Process()
    own = {here.pid, *(parent.pid for parent in here.parents())}
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is somebody else's
            command = process.cmdline()
            if process.pid in own or not any(re.fullmatch(r"src/\w+\.py", each) for each in command[1:2]):
                continue
            if Path(process.cwd()).resolve() == folder.resolve():
                return (
                    f"{' '.join(command[1:])} is at work in {folder}: process {process.pid}, another "
                    f"engine's or left by a killed one; wait for it, or end it: kill {process.pid}"
                )
    return None
