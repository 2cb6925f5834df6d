"""The one error that a user is meant to read."""


class UserError(ValueError):
    """One clear line: the bad value, what is allowed, what to do.

    Commands print it as ``error: <line>`` and exit with status 2; it never needs a traceback.
    """


def reason(error: BaseException, kind: bool = False) -> str:
    """What an exception says, in one line of at most 200 characters. kind: after its class's name,
    where somebody else's code raised it and the text alone may say little."""
    text = f"{type(error).__name__}: {error}" if kind else str(error)
    return " ".join(text.split())[:200].removesuffix(":")  # of a class alone, where it says nothing


def first_line(error: BaseException) -> str:
    """Of an exception that goes on for pages; its class's name where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
