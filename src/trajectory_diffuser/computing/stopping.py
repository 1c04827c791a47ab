"""A long loop is stopped where it can save what it has done."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def postponed_signals() -> Iterator[list[int]]:
    """Yield a list of the SIGTERM and SIGINT that arrive in the block; the first takes effect at its end."""
    arrived: list[int] = []
    ours = [each for each in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, lambda number, _: arrived.append(number)) for each in ours}
    try:
        yield arrived
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if arrived:
        signal.raise_signal(arrived[0])
        sys.exit(128 + arrived[0])  # a handler let it pass
