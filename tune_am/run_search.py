"""A search as a function of a script or a notebook: quiet, and it returns what it found."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from tune_am.campaign import CampaignResult, load_result
from tune_am.result import SearchResult
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.ledger import Trials
from tune_am.tuning.session import search
from tune_am.tuning.watching.events import Calls
from tune_am.tuning.watching.progress import Progress
from tune_am.tuning.watching.views import Several, Silent, make

Function = Callable[[str, dict[str, Any]], object]


def run_search(
    config: SearchConfig,
    given: frozenset[str],
    line: str,
    progress: bool,
    on_event: Function | None,
    cancel: threading.Event | None,
) -> SearchResult | CampaignResult:
    """See `tune_am.search.search`."""
    told = None if on_event is None else Guarded(on_event)
    asked = Guarded(lambda: cancel is not None and cancel.is_set())
    guarded = [asked] if told is None else [told, asked]

    def view(ledger: Trials, trials: int, seconds: float) -> Progress:
        if progress:
            shown = make(False, False, sys.stdout, ledger, trials, seconds)
        else:
            shown = Silent(ledger, trials)
        if told is None:
            return shown
        return Several(ledger, trials, [shown, Calls(ledger, trials, told)])

    def cancelled() -> bool:
        return bool(asked()) or any(one.error is not None for one in guarded)

    ended = search(config, given, line, view, cancelled)
    for one in guarded:
        if one.error is not None:
            raise one.error
    if ended.signal is not None:
        # The search has stopped in order; now the caller's own handler gets what was meant for it.
        signal.raise_signal(ended.signal)
    # As written, so that a result is the same now and when it is read again.
    return load_result(ended.folder.path, config.trust_code)


class Guarded:
    """Calls a function of the caller's from one thread at a time, until it raises an error, which
    is kept.

    Raised within Ray's loop, it would leave trials in the air.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function
        self._turn = threading.RLock()
        self.error: BaseException | None = None

    def __call__(self, *arguments: Any) -> object:
        """What the function returns; None after an error."""
        with self._turn:
            if self.error is None:
                try:
                    return self._function(*arguments)
                except BaseException as error:
                    self.error = error
        return None
