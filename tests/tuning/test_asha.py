"""Which trials stop early."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from reports import report

from tune_am.am.objectives import DIVERGED_PENALTY, OBJECTIVES
from tune_am.am.plan import Plan
from tune_am.tuning.budget import Budget
from tune_am.tuning.early_stopping.asha import among_best
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import FINISHED
from tune_am.tuning.run import RuleScheduler

POINTS = (8, 16, 32, 64)


def trial_at(ledger, space, *scores):
    """A trial that has reported `scores` at the first points, as the ledger has it."""
    number = ledger.ask(space).number
    for step, score in zip(POINTS, scores, strict=False):
        ledger.write(number, report(step, score))
    return SimpleNamespace(config={"number": number})


def decide(ledger, trial, step, score, **metrics):
    result = report(step, score, **metrics)
    return RuleScheduler(ledger, budget("asha")).on_trial_result(None, trial, result)


def budget(scheduler):
    return Budget(9, 1, Plan("vocal", report_points=POINTS), scheduler=scheduler)


def test_only_the_best_third_goes_on(make_ledger, plain_space):
    ledger = make_ledger()
    for score in (1.0, 2.0, 3.0):
        trial_at(ledger, plain_space, score, score)
    trial = trial_at(ledger, plain_space, 2.6)
    assert decide(ledger, trial, 16, 2.6) == "STOP"
    assert decide(ledger, trial, 16, 1.5) == "CONTINUE"


def test_of_a_maximised_objective_the_highest_go_on(tmp_path, plain_space):
    ledger = Ledger(tmp_path / "study.journal", "high", 0, OBJECTIVES["coverage"])
    for value in (0.9, 0.6, 0.5):
        number = ledger.ask(plain_space).number
        for step in POINTS[:2]:
            ledger.write(number, report(step, 1.0, coverage=value))
    number = ledger.ask(plain_space).number
    ledger.write(number, report(8, 1.0, coverage=0.5))
    trial = SimpleNamespace(config={"number": number})
    assert decide(ledger, trial, 16, 1.0, coverage=0.51) == "STOP"
    assert decide(ledger, trial, 16, 1.0, coverage=0.7) == "CONTINUE"


def test_rungs_survive_a_resume(make_ledger, plain_space):
    ledger = make_ledger()
    for score in (1.0, 2.0, 3.0):
        trial_at(ledger, plain_space, score, score)
    trial = trial_at(ledger, plain_space, 4.0)
    assert decide(make_ledger(), trial, 16, 4.0) == "STOP"


def test_the_first_to_arrive_goes_on(make_ledger, plain_space):
    ledger = make_ledger()
    assert decide(ledger, trial_at(ledger, plain_space, 9.0), 16, 9.0) == "CONTINUE"


def test_there_is_no_rung_at_the_first_point(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(4):
        trial_at(ledger, plain_space, 1.0)
    assert decide(ledger, trial_at(ledger, plain_space), 8, 99.0) == "CONTINUE"


def test_a_slow_starter_is_spared_where_the_fast_have_settled(make_ledger, plain_space):
    """From a distance of 20 it covers 3 every 8 steps: at 64 it will be past the goal."""
    ledger = make_ledger()
    for score in (4.0, 4.1, 4.2):
        trial_at(ledger, plain_space, score, score)
    slow = trial_at(ledger, plain_space, 17.0**2)
    assert decide(ledger, slow, 16, 14.0**2) == "CONTINUE"
    stuck = trial_at(ledger, plain_space, 14.5**2)
    assert decide(ledger, stuck, 16, 14.0**2) == "STOP"


def test_a_slow_starter_stops_where_the_fast_reach_the_goal_too(make_ledger, plain_space):
    ledger = make_ledger()
    for score in (4.0, 4.1, 4.2):
        trial_at(ledger, plain_space, 4 * score, score)
    slow = trial_at(ledger, plain_space, 17.0**2)
    assert decide(ledger, slow, 16, 14.0**2) == "STOP"


def test_a_slow_starter_that_slows_down_stops_at_the_next_rung(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(3):
        trial_at(ledger, plain_space, 4.0, 4.0, 4.0)
    slow = trial_at(ledger, plain_space, 17.0**2, 14.0**2)
    assert decide(ledger, slow, 32, 13.5**2) == "STOP"


def test_a_diverged_trial_counts_at_its_penalty(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(3):
        trial = trial_at(ledger, plain_space, DIVERGED_PENALTY, DIVERGED_PENALTY)
        ledger.write(trial.config["number"], outcome="diverged")
    assert decide(ledger, trial_at(ledger, plain_space, 9.0), 16, 9.0) == "CONTINUE"


def test_a_decision_is_made_once(make_ledger, plain_space):
    """A worker that died repeats its reports; the rung has filled since."""
    ledger = make_ledger()
    trial = trial_at(ledger, plain_space, 4.0, 3.9, 3.8)
    for _ in range(6):
        trial_at(ledger, plain_space, 1.0, 1.0)
    assert decide(ledger, trial, 16, 3.9) == "CONTINUE"


def test_the_last_point_is_no_rung(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(3):
        done = trial_at(ledger, plain_space, 1.0, 1.0, 1.0, 1.0)
        ledger.write(done.config["number"], outcome=FINISHED)
    trial = trial_at(ledger, plain_space, 9.0, 9.0, 9.0)
    assert decide(ledger, trial, 64, 9.0) == "CONTINUE"


def test_what_breaks_a_constraint_holds_no_place_on_a_rung(make_ledger, plain_space):
    ledger = make_ledger()
    for score in (1.0, 2.0, 3.0):
        trial = trial_at(ledger, plain_space)
        for step in POINTS[:2]:
            ledger.write(trial.config["number"], report(step, score, collapse=0.2))
    trial = trial_at(ledger, plain_space, 9.0)
    assert decide(ledger, trial, 16, 9.0, collapse=0.0) == "CONTINUE"
    assert decide(ledger, trial, 16, 1.5, collapse=0.3) == "STOP"


def test_without_a_rule_every_trial_goes_on(make_ledger, plain_space):
    ledger = make_ledger()
    for _ in range(6):
        trial_at(ledger, plain_space, 1.0, 1.0)
    trial = trial_at(ledger, plain_space, 9.0)
    result = report(16, 9.0)
    scheduler = RuleScheduler(ledger, budget("none"))
    assert scheduler.on_trial_result(None, trial, result) == "CONTINUE"


@pytest.mark.parametrize(
    ("score", "others", "reduction", "kept"),
    [
        (1.0, [], 2, True),
        (2.0, [1.0], 2, False),
        (2.0, [1.0, 3.0], 2, True),
        (3.0, [1.0, 2.0], 2, False),
        (1.0, [1.0], 2, True),
        (2.0, [1.0, 3.0, 4.0], 4, False),
    ],
)
def test_among_best(score, others, reduction, kept):
    assert among_best(score, others, reduction) is kept
