"""The one error that a user is meant to read."""


class UserError(ValueError):
    """One clear line: the bad value, what is allowed, what to do.

    Commands print it as ``error: <line>`` and exit with status 2; it never needs a traceback.
    """
