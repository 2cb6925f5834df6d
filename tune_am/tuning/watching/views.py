"""Which view of a search fits what was asked for and where the output goes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console

from tune_am.tuning.ledger import Trials
from tune_am.tuning.record import Record
from tune_am.tuning.watching.events import JsonLines
from tune_am.tuning.watching.progress import Lines, Progress, Screen

# Makes the view of a search once its ledger is open, for so many trials in all and seconds.
View = Callable[[Trials, int, float], Progress]


class Silent(Progress):
    """Prints nothing, as a library does; trouble goes to Python's log."""

    def event(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        if name == "trouble":
            logging.getLogger("tune_am").warning(text)


class Several(Progress):
    """Passes everything on to several views."""

    def __init__(self, ledger: Trials, trials: int, views: Sequence[Progress]) -> None:
        super().__init__(ledger, trials)
        self._views = views

    def __enter__(self) -> Progress:
        for view in self._views:
            view.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        for view in self._views:
            view.__exit__(*exception)

    def event(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        for view in self._views:
            view.event(name, text, facts)

    def trial_started(self, record: Record) -> None:
        for view in self._views:
            view.trial_started(record)

    def trial_reported(self, record: Record) -> None:
        for view in self._views:
            view.trial_reported(record)

    def trial_ended(self, record: Record) -> None:
        for view in self._views:
            view.trial_ended(record)


def make(
    quiet: bool, as_json: bool, out: TextIO, ledger: Trials, trials: int, seconds: float = math.inf
) -> Progress:
    """The view that fits what was asked for and where the output goes."""
    if quiet:
        return Progress(ledger, trials, seconds)
    if as_json:
        return JsonLines(ledger, trials)
    console = Console(file=out)
    # Not `console.is_terminal`: FORCE_COLOR, which CI services set, makes it true of a log.
    redraws = out.isatty() and not console.is_dumb_terminal
    if redraws:
        return Screen(ledger, trials, console, seconds)
    return Lines(ledger, trials, seconds)
