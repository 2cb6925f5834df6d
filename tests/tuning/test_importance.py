"""Which settings mattered."""

from __future__ import annotations

from math import log10
from random import Random

import pytest
from reports import report

from tune_am.am.objectives import OBJECTIVES
from tune_am.tuning import importance
from tune_am.tuning.importance import FEWEST, importances
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import FINISHED, STOPPED_EARLY
from tune_am.tuning.space import from_source


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


def test_equal_scores_say_nothing(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(FEWEST):
        ledger.write(ledger.ask(plain_space).number, report(4, 1.0), FINISHED)
    assert importances(ledger) == {}


@pytest.mark.parametrize("unit", [1e-9, 1e-30, 0.0, -1.0])
def test_scores_of_any_size_cost_no_result(make_ledger, plain_space, unit):
    """Distances of a layer after a softmax are tiny, all may be none, KID may be below 0."""
    ledger = make_ledger()
    for _ in range(3 * FEWEST):
        record = ledger.ask(plain_space)
        score = unit * (1 + abs(record.settings.lr - 0.1))
        ledger.write(record.number, report(4, score), FINISHED)
    shares = importances(ledger)
    assert next(iter(shares), None) == ("lr" if unit > 0 else None)


def test_the_noise_of_a_score_around_0_makes_no_setting_matter(tmp_path, plain_space):
    """KID is unbiased: half of the trials have reached what it can tell from real."""
    noise, ledger = Random(0), Ledger(tmp_path / "study", "study", 0, OBJECTIVES["kid"])
    for _ in range(32):
        record = ledger.ask(plain_space)
        score = max(0.0, -2 * log10(record.settings.lr) - 3) + noise.uniform(-0.02, 0.02)
        ledger.write(record.number, report(4, 1.0, kid=score), FINISHED)
    scores = [record.score for record in ledger.scored]
    assert min(scores) < 0 < 1 < max(scores)
    assert importances(ledger)["lr"] > 0.95


def test_of_many_trials_some_count(make_ledger, plain_space, monkeypatch):
    monkeypatch.setattr(importance, "MOST", 20)
    ledger = make_ledger()
    for i in range(60):
        record = ledger.ask(plain_space)
        ledger.write(record.number, report(4, float(i)), FINISHED)
    chosen = {record.number for record in importance._some(ledger.scored)}
    assert len(chosen) == 20
    assert set(range(10)) <= chosen  # the best
    assert max(chosen) > 30
    assert sum(importances(ledger).values()) == pytest.approx(1)


def test_choices_count_too(make_ledger):
    source = """
def space(trial):
    return {
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
        "normalize_grad": trial.suggest_categorical("normalize_grad", [False, True]),
    }
"""
    space, ledger = from_source("choices", source), make_ledger()
    for _ in range(24):
        record = ledger.ask(space)
        score = {"adam": 1.0, "sgd": 9.0}[record.settings.optimizer]
        ledger.write(record.number, report(4, score), FINISHED)
    assert importances(ledger)["optimizer"] > 0.9
