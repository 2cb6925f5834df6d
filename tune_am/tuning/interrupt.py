"""How a search is told to stop, and gets to its end all the same."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tune_am.tuning.watching.progress import Progress

_CANCEL_SECONDS = 0.2  # between two looks at whether the caller wants to stop


@contextmanager
def stopping(
    view: Progress, cancelled: Callable[[], bool]
) -> Iterator[tuple[threading.Event, list[int]]]:
    """An event that Ctrl-C sets, as do a polite kill and the caller, and the signals that did; a
    second signal ends the search at once."""
    halt, over = threading.Event(), threading.Event()
    caught: list[int] = []

    def stop(signum: int, frame: Any) -> None:
        caught.append(signum)
        if halt.is_set():
            raise KeyboardInterrupt
        halt.set()

    def announce() -> None:  # in a thread: a signal may come in the middle of a print
        while not (over.is_set() or halt.wait(_CANCEL_SECONDS)):
            if cancelled():
                halt.set()
        if not over.is_set():
            text = "Stopping; a resume goes on from each trial's last report"
            view.event("stopping", f"{text}. Ctrl-C again leaves now")

    announcer = threading.Thread(target=announce, daemon=True)
    announcer.start()
    try:
        with handlers_kept() as numbers:
            for number in numbers:
                signal.signal(number, stop)
            yield halt, caught
    finally:
        over.set()
        announcer.join()


@contextmanager
def handlers_kept() -> Iterator[tuple[signal.Signals, ...]]:
    """Whatever is done to the handlers of these signals within is undone; Ray sets its own.

    Python lets only its main thread handle signals: elsewhere there are none.
    """
    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield numbers
    finally:
        for number, handler in before.items():
            if handler is not None:  # set by something else than Python
                signal.signal(number, handler)
