"""Numbers of things, in the singular where there is one."""

from __future__ import annotations


def counted(number: int, noun: str, many: str = "", form: str = "") -> str:
    """ "1 trial", "2 trials", with a `form` of "," "1,200 trials". many: see `plural`."""
    return f"{number:{form}} {plural(number, noun, many)}"


def plural(number: int, noun: str, many: str = "") -> str:
    """The noun for so many; `many` is its plural where that is not the noun with an s."""
    return noun if number == 1 else many or f"{noun}s"
