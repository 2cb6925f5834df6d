"""Brackets of successive halving."""

from __future__ import annotations

from collections import Counter

from reports import report

from tune_am.tuning.early_stopping.asha import Asha
from tune_am.tuning.early_stopping.hyperband import Hyperband

POINTS = (8, 16, 32, 64)


def steps_of(rule: Hyperband, bracket: int) -> float:
    """Mean steps of a trial, by hand: a third goes on at each rung."""
    return {
        0: 16 + (32 - 16) / 3 + (64 - 32) / 9,
        1: 32 + (64 - 32) / 3,
        2: 64,
    }[bracket]


def test_each_bracket_gets_an_equal_share_of_the_steps():
    rule = Hyperband(POINTS)
    trials = Counter(rule.bracket(number) for number in range(300))
    steps = [trials[bracket] * steps_of(rule, bracket) for bracket in range(3)]
    assert max(steps) - min(steps) <= 64


def plain(number: int) -> int:
    """A trial's bracket, counted from the first trial on."""
    spent, chosen = [0.0] * 3, 0
    for _ in range(number + 1):
        chosen = min(range(3), key=lambda b: spent[b] + steps_of(Hyperband(POINTS), b))
        spent[chosen] += steps_of(Hyperband(POINTS), chosen)
    return chosen


def test_brackets_are_counted_once_in_whatever_order_they_are_asked_for(monkeypatch):
    rule, numbers = Hyperband(POINTS), [40, 3, 0, 99, 41, *range(100)]
    monkeypatch.setattr(rule, "_cost", None)  # a decision among thousands counts nothing anew
    assert [rule.bracket(number) for number in numbers] == [plain(number) for number in numbers]


def test_two_points_have_one_bracket_without_rungs():
    assert {Hyperband((8, 16)).bracket(number) for number in range(5)} == {0}


def test_a_trial_is_compared_within_its_bracket_only(make_ledger, plain_space):
    ledger, rule = make_ledger(), Hyperband(POINTS)
    for number in range(9):
        assert ledger.ask(plain_space).number == number
        for step in POINTS[:2]:
            ledger.write(number, report(step, 50.0 if rule.bracket(number) == 0 else 1.0))
    late = next(n for n in range(9, 30) if rule.bracket(n) == 0)
    while len(ledger.records) <= late:
        ledger.ask(plain_space)
    metrics = report(16, 40.0)
    assert Asha(POINTS).stops(ledger, late, metrics)
    assert not rule.stops(ledger, late, metrics)


def test_later_brackets_have_no_early_rung(make_ledger, plain_space):
    ledger, rule = make_ledger(), Hyperband(POINTS)
    while len(ledger.records) < 20:
        number = ledger.ask(plain_space).number
        for step in POINTS[:3]:
            ledger.write(number, report(step, 1.0))
    while rule.bracket(number := ledger.ask(plain_space).number) != 1:
        pass
    assert not rule.stops(ledger, number, report(16, 99.0))
    assert rule.stops(ledger, number, report(32, 99.0))
    while rule.bracket(number := ledger.ask(plain_space).number) != 2:
        pass
    assert not rule.stops(ledger, number, report(32, 99.0))
