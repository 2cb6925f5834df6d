"""A search as events for programs: printed as JSON, or passed to a function."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from tune_am.am.score import BEST_STEP, STEP
from tune_am.tuning.ledger import Trials
from tune_am.tuning.record import Record
from tune_am.tuning.watching.output import say
from tune_am.tuning.watching.progress import Progress


class Calls(Progress):
    """Calls a function per event, with its name and facts: `time`, and what is told of it, as plain
    values."""

    def __init__(
        self, ledger: Trials, trials: int, function: Callable[[str, dict[str, Any]], object]
    ) -> None:
        super().__init__(ledger, trials)
        self._function = function

    def event(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        self._function(name, {"time": time.time(), **(facts or {})})

    def trial_started(self, record: Record) -> None:
        facts = {**_which(record), "settings": record.settings.to_dict()}
        self.event("trial_started", "", facts)

    def trial_reported(self, record: Record) -> None:
        report = dict(record.reports[-1])
        steps = {name: int(report[name]) for name in (STEP, BEST_STEP) if name in report}
        self.event("trial_reported", "", {**_which(record), **report, **steps})

    def trial_ended(self, record: Record) -> None:
        facts = {
            **_which(record),
            "outcome": record.outcome,
            "step": record.step,
            **record.scores,
        }
        self.event("trial_ended", "", facts)


class JsonLines(Calls):
    """One JSON object per event."""

    def __init__(self, ledger: Trials, trials: int) -> None:
        super().__init__(ledger, trials, _print)


def _print(name: str, facts: dict[str, Any]) -> None:
    say(json.dumps({"event": name, **facts}))


def _which(record: Record) -> dict[str, Any]:
    """The trial; of a campaign also the neuron."""
    neuron = {"neuron": record.neuron} if record.neuron else {}
    return {**neuron, "trial": record.number}
