"""Vizier's median rule, against a case computed by hand."""

from __future__ import annotations

import pytest
from reports import report

from tune_am.tuning.early_stopping.median import Median
from tune_am.tuning.record import FINISHED

POINTS = (8, 16, 32)


@pytest.fixture
def ledger(make_ledger, plain_space):
    """Trials that kept examples of these scores: means up to step 16 are 6, 5 and 12."""
    ledger = make_ledger()
    for scores in ((8.0, 4.0, 2.0), (4.0, 6.0, 1.0), (20.0, 4.0, 9.0)):
        number = ledger.ask(plain_space).number
        for i, (step, now) in enumerate(zip(POINTS, scores, strict=True)):
            best = min(scores[: i + 1])
            ledger.write(number, report(step, best, activation_fid_now=now))
        ledger.write(number, outcome=FINISHED)
    return ledger


@pytest.mark.parametrize(("best", "stops"), [(5.9, False), (6.0, False), (6.1, True)])
def test_worse_than_the_median_of_running_averages_stops(ledger, plain_space, best, stops):
    number = ledger.ask(plain_space).number
    assert Median(POINTS).stops(ledger, number, report(16, best)) is stops


def test_trials_that_still_run_do_not_count(ledger, plain_space):
    for _ in range(5):
        number = ledger.ask(plain_space).number
        for step in POINTS[:2]:
            ledger.write(number, report(step, 0.1))
    number = ledger.ask(plain_space).number
    assert not Median(POINTS).stops(ledger, number, report(16, 5.9))


def test_few_say_nothing(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(2):
        number = ledger.ask(plain_space).number
        ledger.write(number, report(16, 1.0), FINISHED)
    assert not Median(POINTS).stops(ledger, ledger.ask(plain_space).number, report(16, 99.0))


def test_the_first_and_the_last_point_are_no_rungs(ledger, plain_space):
    number = ledger.ask(plain_space).number
    assert not Median(POINTS).stops(ledger, number, report(8, 99.0))
    assert not Median(POINTS).stops(ledger, number, report(32, 99.0))
