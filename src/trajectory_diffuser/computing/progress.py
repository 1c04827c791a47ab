"""How often a progress bar is drawn."""

import sys


def drawing_interval() -> float:
    """Seconds between two drawings: rare where they are lines of a log, which nobody watches."""
    return 0.5 if sys.stderr.isatty() else 15.0
