"""What a user sees of a search while it runs."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tune_am.am.objectives import DIVERGED_PENALTY
from tune_am.counting import counted
from tune_am.tuning.ledger import Trials
from tune_am.tuning.record import DIVERGED, FAILED, STOPPED_EARLY, Listener, Record
from tune_am.tuning.watching.output import say

# Rows of the live table at most: the trials that run, and the best so far.
RUNNING_ROWS, BEST_ROWS = 8, 5


class Progress(Listener):
    """Shows a search; this one prints the result only, as --quiet asks."""

    def __init__(self, ledger: Trials, trials: int, seconds: float = math.inf) -> None:
        """trials: in all. seconds: after which this session stops them."""
        self._ledger = ledger
        self._trials = trials
        self._seconds = seconds
        self._begun = time.monotonic()
        self._ended_before = self.ended

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def event(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        """Something worth a line; `facts` are what a program would want of it."""
        if name == "trouble":
            print(text, file=sys.stderr, flush=True)
        elif name == "result":
            print(text)

    def trouble(self, text: str) -> None:
        """Something that went wrong, and did not end the search."""
        self.event("trouble", text, {"message": text})

    def rescoring(self, done: int, tasks: int) -> None:
        """What follows the trials, so many of its tasks done."""
        text = f"  {done} of {tasks} ascents and controls done"
        self.event("rescoring", text, {"done": done, "tasks": tasks})

    @property
    def ended(self) -> int:
        """Trials."""
        return sum(record.counts for record in self._ledger.records)

    @property
    def per_minute(self) -> float:
        """Trials ended per minute of this session."""
        minutes = (time.monotonic() - self._begun) / 60
        return (self.ended - self._ended_before) / minutes if minutes > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until the last trial ends, at the pace so far, or the time is up; None before there is a
        pace."""
        pace = self.per_minute
        if pace <= 0:
            return None
        time_left = max(0.0, self._begun + self._seconds - time.monotonic())
        return min(time_left, 60 * max(0, self._trials - self.ended) / pace)


class Lines(Progress):
    """One calm line per trial that ends: for a log, a pipe, a terminal that cannot redraw."""

    def event(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        if text:
            say(text)

    def trial_ended(self, record: Record) -> None:
        best = self._ledger.best_beside(record)
        if record.score is None or best is None:
            what = record.outcome or ""
        else:
            scores = zip(record.objective.every, record.scores.values(), strict=True)
            first, *others = (f"{each.label} {number(score)}" for each, score in scores)
            what = f"{_words(record)} at step {record.step}, {first}"
            what += (
                " (best so far)"
                if best.number == record.number
                else f" (best {number(best.score)}, trial {best.number})"
            )
            what = ", ".join((what, *others))
        left = duration(self.seconds_left)
        trial = f"{record.neuron} trial {record.number}".lstrip()
        say(f"[{self.ended}/{self._trials}] {trial} {what}; {left}")


class Screen(Progress):
    """A table that redraws itself in a terminal."""

    def __init__(
        self, ledger: Trials, trials: int, console: Console, seconds: float = math.inf
    ) -> None:
        super().__init__(ledger, trials, seconds)
        self._console = console
        self._running: dict[tuple[str, int], Record] = {}
        self._live = Live(
            console=console, get_renderable=self._table, refresh_per_second=2, transient=True
        )

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def event(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        if text:
            # soft_wrap: a command that is longer than a line can still be copied.
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def trial_started(self, record: Record) -> None:
        self._running[record.key] = record

    def trial_reported(self, record: Record) -> None:
        self._running[record.key] = record

    def trial_ended(self, record: Record) -> None:
        self._running.pop(record.key)

    def _table(self) -> Group:
        table = Table(box=None, pad_edge=False)
        labels = (each.label for each in self._ledger.objective.every)
        for title in ("trial", "", "step", *labels, "lr", "l2", "optimizer"):
            words = title in ("", "optimizer")
            table.add_column(title, justify="left" if words else "right", no_wrap=True)
        for record in list(self._running.values())[-RUNNING_ROWS:]:
            _add(table, record, "running")
        best = {record.key for record in self._ledger.bests}
        for record in self._ledger.leaders[:BEST_ROWS]:
            what = "running" if record.key in self._running else _words(record)
            _add(table, record, "best so far" if record.key in best else what)
        lines = [Text(line, "dim", no_wrap=True, overflow="ellipsis") for line in self._summary()]
        return Group(table, *lines)

    def _summary(self) -> list[str]:
        """Two lines, so that the table keeps its height as the words grow."""
        records = self._ledger.records
        counts = {
            words: sum(record.outcome == outcome for record in records)
            for words, outcome in (
                ("stopped early", STOPPED_EARLY),
                ("diverged", DIVERGED),
                ("failed", FAILED),
            )
        }
        parts = [
            f"{self.ended} of {counted(self._trials, 'trial')}",
            f"{len(self._running)} running",
        ]
        parts += [f"{n} {words}" for words, n in counts.items() if n]
        if any(record.neuron for record in records):
            parts.append(f"{counted(len(self._ledger.bests), 'neuron')} scored")
        pace = [f"{self.per_minute:.1f} trials/min", duration(self.seconds_left)]
        return [" · ".join(parts), " · ".join(pace)]


def number(value: float | None) -> str:
    """Four significant digits, without an exponent where that is readable."""
    if value is None or value >= DIVERGED_PENALTY:
        return "-"
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    """Until the last trial ends: scoring the best again comes after it."""
    if seconds is None:
        return "time left unknown yet"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s of trials left" if minutes else f"{rest} s of trials left"


def _words(record: Record) -> str:
    return (record.outcome or "unfinished").replace("_", " ")


def _add(table: Table, record: Record, what: str) -> None:
    settings = record.settings
    table.add_row(
        f"{record.neuron} {record.number}".lstrip(),
        what,
        str(record.step),
        *map(number, record.scores.values()),
        number(settings.lr),
        number(settings.l2),
        settings.optimizer,
    )
