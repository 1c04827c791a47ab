"""What every stage module shares: its arguments, its parameters, and one-line errors."""

import argparse
import errno
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trajectory_diffuser.common.company import snakemake_at_work, stage_at_work
from trajectory_diffuser.common.completion import for_task
from trajectory_diffuser.common.errors import UserError, one_line
from trajectory_diffuser.common.params import load_params

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EROFS, errno.EACCES)


def run_stage(main: Callable[..., None], *arguments: str) -> None:
    """Parse `arguments` (names of options), load and check params.yaml, call `main(params, **arguments)`.

    Where a task is among the arguments, `params` are as this task has them (`for_task`).
    A `UserError` ends the process with status 1 and its one line on standard error.
    """
    parser = argparse.ArgumentParser(description=sys.modules[main.__module__].__doc__)
    for name in arguments:
        parser.add_argument(f"--{name}", type=int if name == "seed" else str, required=True)
    values: dict[str, Any] = vars(parser.parse_args())
    # Both engines stop a job with SIGTERM; as an exception it lets half-written outputs be cleared away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ending_with_one_line():
        # DVC runs one stage at a time; Snakemake looks before its first job (Snakefile).
        if "DVC_STAGE" in os.environ and (company := _company(Path.cwd())):
            raise UserError(company)
        params = load_params()
        known = {"task": params["tasks"], "planner": params["planners"], "policy": params["policies"]}
        known |= {"rival": params["rivals"], "experiment": params["experiments"]}
        known["ladder"] = params["train_behaviour"]["ladders"]
        for name in values.keys() & known.keys():
            if values[name] not in known[name]:
                raise UserError(
                    f"--{name} {values[name]}: params.yaml has no such {name}; one of: "
                    f"{', '.join(known[name])}"
                )
        main(for_task(params, values["task"]) if "task" in values else params, **values)


def _company(folder: Path) -> str | None:
    if company := stage_at_work(folder):
        return company
    if snakemake_at_work(folder):
        time.sleep(2)  # one that has met this DVC locks the folder for a moment, and ends
    return snakemake_at_work(folder)


@contextmanager
def ending_with_one_line() -> Iterator[None]:
    """End the process with status 1 and one line on a `UserError`, and on a full or read-only disk."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        refusal = _refusal_of_disk(error)
        if refusal is None:
            raise
        sys.exit(f"error: {refusal} and run again, nothing is left half-written")


def _refusal_of_disk(error: BaseException | None) -> str | None:
    """What a full or read-only disk says and what helps; None if no disk is behind an error.

    Known by the system's words: safetensors and HDF5 have errors of their own, which quote them.
    """
    if error is None:
        return None
    text = one_line(error)
    for code in DISK_FULL:
        if os.strerror(code) in text:
            return f"cannot write: {os.strerror(code)}; make room"
    if re.fullmatch(r"\d+ requested and \d+ written", text):  # numpy does not say why
        return f"cannot write an array: {text}; make room"
    if any(os.strerror(code) in text for code in NOT_ALLOWED):
        return f"{text}; let this user read and write there"
    return _refusal_of_disk(error.__cause__ or error.__context__)
