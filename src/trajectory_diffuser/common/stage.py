"""What every stage module shares: its arguments, its parameters, and one-line errors."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.common.params import load_params

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
ARGUMENTS: dict[str, type] = {
    "task": str,
    "seed": int,
    "planner": str,
    "policy": str,
    "rival": str,
    "ladder": str,
    "experiment": str,
}


def run_stage(main: Callable[..., None], *arguments: str) -> None:
    """Parse `arguments` (names from ARGUMENTS), load and check params.yaml, call `main(params, **arguments)`.

    A `UserError` ends the process with status 1 and its one line on standard error.
    """
    parser = argparse.ArgumentParser(description=sys.modules[main.__module__].__doc__)
    for name in arguments:
        parser.add_argument(f"--{name}", type=ARGUMENTS[name], required=True)
    values: dict[str, Any] = vars(parser.parse_args())
    # Both engines stop a job with SIGTERM; as an exception it lets half-written outputs be cleared away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ending_with_one_line():
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
        main(params, **values)


@contextmanager
def ending_with_one_line() -> Iterator[None]:
    """End the process with status 1 and one line on a `UserError`, and on a disk that takes no more."""
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except (OSError, RuntimeError) as error:
        # HDF5 reports a failed close as a RuntimeError, the system's message somewhere in its text.
        full = [os.strerror(code) for code in DISK_FULL if os.strerror(code) in str(error)]
        if not full:
            raise
        sys.exit(f"error: cannot write: {full[0]}; make room and run again, nothing is left half-written")
