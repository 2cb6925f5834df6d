"""How lines for the user name an option: as who reads them has given it.

`--max-steps 8` was typed, `max_steps=8` was passed to a function of the library. One text serves
both: it calls `option`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

# How many commands run in the process, not in the thread: a search tells of trouble from threads of
# its own.
_commands = 0


@contextmanager
def typed() -> Iterator[None]:
    """While a command runs. Else whoever reads is a caller of the library."""
    global _commands
    _commands += 1
    try:
        yield
    finally:
        _commands -= 1


def flag(name: str) -> str:
    """The command-line flag of a field."""
    return "--" + name.replace("_", "-")


def option(name: str, value: object = None) -> str:
    """The option of the field `name`: without a value `--out` or `out=`, with one `--trials 0` or
    `trials=0`; True is given by the flag alone."""
    if not _commands:
        return f"{name}=" if value is None else f"{name}={value!r}"
    return flag(name) if value is None or value is True else f"{flag(name)} {value}"
