"""The error that a user can act on."""


class UserError(Exception):
    """Bad input: the message is one line that names the file, the key or value, and the remedy."""
