"""How long a search has run, over all its sessions."""

from __future__ import annotations

import time

from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Listener, Record

SECONDS = "seconds"  # the ledger's note


class Clock(Listener):
    """Keeps in the ledger how long the search has run, so that a kill loses little of it."""

    def __init__(self, ledger: Ledger, begun: float) -> None:
        self._ledger, self._begun = ledger, begun
        self._before = ledger.noted(SECONDS, 0.0)

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._begun

    def note(self) -> None:
        self._ledger.note(SECONDS, self.seconds)

    def trial_ended(self, record: Record) -> None:
        self.note()
