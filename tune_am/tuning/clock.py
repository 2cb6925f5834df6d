"""How long a search has run, over all its sessions."""

from __future__ import annotations

import time

from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Listener, Record

SECONDS, WORKER_SECONDS = "seconds", "worker_seconds"  # the ledger's notes


class Clock(Listener):
    """Keeps in the ledger how long the search has run, so that a kill loses little of it."""

    def __init__(self, ledger: Ledger, begun: float, workers: int) -> None:
        self._ledger, self._begun, self._workers = ledger, begun, workers
        self._before = ledger.noted(SECONDS, 0.0)
        self._worked_before = ledger.noted(WORKER_SECONDS, self._before * workers)

    @property
    def seconds(self) -> float:
        return self._before + self._session

    @property
    def worker_seconds(self) -> float:
        """Of all workers together: each session may have had another number of them."""
        return self._worked_before + self._session * self._workers

    @property
    def _session(self) -> float:
        return time.monotonic() - self._begun

    def note(self) -> None:
        self._ledger.note(SECONDS, self.seconds)
        self._ledger.note(WORKER_SECONDS, self.worker_seconds)

    def trial_ended(self, record: Record) -> None:
        self.note()
