"""The error that a user can act on, and other errors in its words."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Bad input: the message is one line that names the file, the key or value, and the remedy."""


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())


def reason(error: Exception) -> str:
    """The kind of error and what it says, on one line."""
    return f"{type(error).__name__}: {one_line(error)}"


@contextmanager
def explained(explain: Callable[[str], str]) -> Iterator[None]:
    """Raise whatever a library raises in the block as a `UserError`: what `explain` makes of its `reason`.

    What a damaged file or a failing network makes libraries raise is listed nowhere.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(explain(reason(error))) from None
