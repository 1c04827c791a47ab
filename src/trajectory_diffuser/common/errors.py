"""The error that a user can act on, and other errors in its words."""


class UserError(Exception):
    """Bad input: the message is one line that names the file, the key or value, and the remedy."""


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())


def reason(error: Exception) -> str:
    """The kind of error and what it says, on one line."""
    return f"{type(error).__name__}: {one_line(error)}"
