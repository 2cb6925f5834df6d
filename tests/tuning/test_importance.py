"""Which settings mattered."""

from __future__ import annotations

import pytest
from reports import report

from tune_am.tuning.importance import FEWEST, importances
from tune_am.tuning.ledger import FINISHED, STOPPED_EARLY


def test_what_decides_the_score_matters_most(make_ledger, plain_space):
    ledger = make_ledger()
    for i in range(24):
        record = ledger.ask(plain_space)
        score = abs(record.settings.lr - 0.1)
        ledger.write(record.number, report(4, score + 1))
        if i % 2:
            ledger.write(record.number, outcome=STOPPED_EARLY)
        else:
            ledger.write(record.number, report(8, score), FINISHED)
    shares = importances(ledger)
    assert next(iter(shares)) == "lr"
    assert sum(shares.values()) == pytest.approx(1)


def test_few_trials_say_nothing(make_ledger, plain_space):
    ledger = make_ledger()
    assert importances(ledger) == {}
    for _ in range(FEWEST - 1):
        ledger.write(ledger.ask(plain_space).number, report(4, 1.0), FINISHED)
    assert importances(ledger) == {}


def test_equal_trials_are_no_trouble(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(FEWEST):
        ledger.write(ledger.ask(plain_space).number, report(4, 1.0), FINISHED)
    assert set(importances(ledger)) == {"lr", "l2"}
