"""What all commands share: how they read their options and how they end."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable
from dataclasses import Field
from difflib import get_close_matches
from typing import Any, NoReturn

from tune_am.allocator import keep_freed_memory
from tune_am.errors import UserError
from tune_am.naming import flag, typed

PIPE_CLOSED = 141  # exit status, as of a shell for SIGPIPE


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong with the options in one line, without those that would be right."""

    def __init__(self, **named: Any) -> None:
        super().__init__(allow_abbrev=False, **named)

    def error(self, message: str) -> NoReturn:
        if message.startswith("unrecognized arguments: -"):
            given = message.split()[2].partition("=")[0]
            close = get_close_matches(given, self._option_string_actions, 1, 0.75)
            message += f"; is {close[0]} meant?" if close else "; --help lists the options"
        raise UserError(message)


def reader(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """`kind` for argparse: its error names the value and what is wanted."""

    def read(text: str) -> Any:
        try:
            return kind(text)
        except UserError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            wanted = "number" if kind is float else "whole number"
            raise argparse.ArgumentTypeError(f"{text!r} is not a {wanted}") from None

    return read


def add_field(parser: argparse._ActionsContainer, spec: Field[Any], shown: str) -> None:
    """The option of a dataclass's field, its `kind` and `help` in the metadata; `shown` stands for
    its value."""
    kind, text = spec.metadata["kind"], spec.metadata["help"].replace("%", "%%")
    if kind is bool:
        parser.add_argument(flag(spec.name), action="store_true", help=text)
        return
    text += "" if spec.default is None else f" [{spec.default}]"
    parser.add_argument(flag(spec.name), type=reader(kind), metavar=shown, help=text)


def add_trust_code(parser: argparse.ArgumentParser) -> None:
    text = "import a pack's code from outside tune_am"
    parser.add_argument("--trust-code", action="store_true", help=text)


@typed()
def exit_status(command: Callable[[], int | None], interrupted: str = "") -> int:
    """Runs a command: its own exit status or 0; 2, after one line, for what the user can mend; 130
    after Ctrl-C, with the line `interrupted` if there is one; 141 where nobody reads its output."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started it
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # of an encoding that may lack a name's letters
            stream.reconfigure(errors="backslashreplace")
    keep_freed_memory()
    try:
        return command() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
    except BrokenPipeError:  # whoever read it has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        if interrupted:
            print(interrupted, file=sys.stderr)
        return 130
    return 2
