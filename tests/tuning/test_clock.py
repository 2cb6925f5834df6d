"""How long a search has run, whatever its sessions had."""

from __future__ import annotations

import time

import pytest

from tune_am.tuning.clock import Clock


def test_the_time_of_all_sessions_counts_with_the_workers_that_each_had(make_ledger) -> None:
    first = Clock(make_ledger(file="clock"), time.monotonic() - 100, workers=2)
    first.note()
    second = Clock(make_ledger(file="clock"), time.monotonic() - 10, workers=1)
    assert second.seconds == pytest.approx(110, abs=1)
    assert second.worker_seconds == pytest.approx(210, abs=2)
