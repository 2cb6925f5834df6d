"""The ledger tells Optuna the truth, and forgets nothing."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from reports import report

from tune_am.am.objectives import DIVERGED_PENALTY, OBJECTIVES
from tune_am.errors import UserError
from tune_am.tuning import space
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import DIVERGED, FAILED, FINISHED, STOPPED_EARLY


def optuna_trials(folder: Path, name: str = "tiny/vocal/plain/max") -> list[FrozenTrial]:
    """What Optuna itself, or its dashboard, reads from the journal."""
    storage = JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    return optuna.load_study(study_name=name, storage=storage).trials


def test_a_stopped_trial_is_told_pruned_with_its_intermediate_values(
    make_ledger, plain_space, tmp_path
):
    ledger = make_ledger()
    number = ledger.ask(plain_space).number
    ledger.write(number, report(2, 9.0))
    ledger.write(number, report(4, 7.0), STOPPED_EARLY)
    (trial,) = optuna_trials(tmp_path)
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {2: 9.0, 4: 7.0}


def test_a_finished_trial_is_told_complete(make_ledger, plain_space, tmp_path):
    ledger = make_ledger()
    ledger.write(ledger.ask(plain_space).number, report(8, 5.0), FINISHED)
    (trial,) = optuna_trials(tmp_path)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 5.0)


def test_a_trial_that_diverged_after_a_score_is_told_as_stopped_there(
    make_ledger, plain_space, tmp_path
):
    ledger = make_ledger()
    number = ledger.ask(plain_space).number
    ledger.write(number, report(2, 9.0))
    ledger.write(number, report(4, 9.0, best_step=2, diverged_share=1.0))
    assert make_ledger()[number].outcome is None  # a kill comes before its end is told
    ledger.write(number, outcome=DIVERGED)
    (trial,) = optuna_trials(tmp_path)
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {2: 9.0}
    assert trial.constraints == {"diverged": 0.0}
    again = make_ledger()
    assert (again[number].outcome, again.best.number, again.unfinished) == (DIVERGED, number, [])


def test_a_trial_that_diverged_before_any_score_is_complete_and_breaks_a_constraint(
    make_ledger, plain_space, tmp_path
):
    ledger = make_ledger()
    number = ledger.ask(plain_space).number
    ledger.write(number, report(2, DIVERGED_PENALTY, diverged_share=1.0), DIVERGED)
    (trial,) = optuna_trials(tmp_path)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, DIVERGED_PENALTY)
    assert trial.constraints == {"diverged": 1.0}


def test_a_maximised_objective_is_the_study_s_direction_and_the_best(tmp_path, plain_space):
    coverage = OBJECTIVES["coverage"]
    ledger = Ledger(tmp_path / "study.journal", "tiny/vocal/plain/max", 0, coverage)
    for value in (0.2, 0.7, 0.4):
        ledger.write(ledger.ask(plain_space).number, report(8, 1.0, coverage=value), FINISHED)
    assert ledger.best.number == 1
    assert [trial.value for trial in optuna_trials(tmp_path)] == [0.2, 0.7, 0.4]
    again = Ledger(tmp_path / "study.journal", "tiny/vocal/plain/max", 0, coverage)
    assert again._study.best_trial.number == 1


def test_a_failed_trial_is_told_fail(make_ledger, plain_space, tmp_path):
    ledger = make_ledger()
    ledger.write(ledger.ask(plain_space).number, outcome=FAILED)
    assert optuna_trials(tmp_path)[0].state == TrialState.FAIL
    assert ledger.unfinished == []


def test_points_come_first_and_only_once(make_ledger, plain_space):
    ledger = make_ledger()
    ledger.enqueue(plain_space.points)
    first = ledger.ask(plain_space)
    again = make_ledger()
    again.enqueue((*plain_space.points, *plain_space.points))
    drawn = [first] + [again.ask(plain_space) for _ in range(3)]
    points = [{"lr": r.settings.lr, "l2": r.settings.l2} for r in drawn]
    assert points[:2] == list(plain_space.points)
    assert all(point not in plain_space.points for point in points[2:])


def test_a_point_whose_trial_failed_is_tried_again_by_a_resume(make_ledger, plain_space):
    ledger = make_ledger()
    for outcome in (FAILED, FINISHED):
        ledger.enqueue(plain_space.points)
        ledger.write(ledger.ask(plain_space).number, report(4, 1.0), outcome)
    again = make_ledger()
    again.enqueue(plain_space.points)
    again.enqueue(plain_space.points)
    drawn = [again.ask(plain_space).params for _ in range(2)]
    assert drawn[0] == plain_space.points[0]
    assert drawn[1] not in plain_space.points


def test_what_a_space_refuses_is_drawn_again(make_ledger, tmp_path):
    refusing = space.Space("refusing", "", lambda trial: drawn_above(trial, 0.5))
    ledger = make_ledger()
    records = [ledger.ask(refusing) for _ in range(20)]
    assert all(record.settings.lr > 0.5 for record in records)
    told = [trial.state for trial in optuna_trials(tmp_path)]
    assert told.count(TrialState.FAIL) == len(told) - 20 > 5
    assert make_ledger().records == records


def test_a_space_that_refuses_everything_says_so(make_ledger):
    ledger = make_ledger()
    with pytest.raises(UserError, match="space refusing: setting lr=-1"):
        ledger.ask(space.Space("refusing", "", lambda trial: drawn_above(trial, 2.0)))
    # A resume is not stuck at what was drawn before.
    other = space.Space("other", "", lambda trial: drawn_above(trial, 0.0))
    assert make_ledger().ask(other).settings.lr > 0


def drawn_above(trial: optuna.Trial, least: float) -> dict[str, float]:
    lr = trial.suggest_float("lr", 0.1, 1.0)
    return {"lr": lr if lr > least else -1.0}


def test_searches_for_different_things_share_no_history(make_ledger, plain_space):
    make_ledger("tiny/vocal/plain/max").ask(plain_space)
    assert make_ledger("tiny/vocal/plain/min").records == []


def test_opened_again_it_is_the_same(make_ledger, plain_space):
    ledger = make_ledger()
    for outcome in (FINISHED, STOPPED_EARLY, None):
        ledger.write(ledger.ask(plain_space).number, report(4, 3.0), outcome)
    again = make_ledger()
    assert again.records == ledger.records
    assert [record.number for record in again.unfinished] == [2]
    assert [record.scores_at(4) for record in again.records] == [(3.0,)] * 3


def search(ledger, space, upto):
    """Trials one after the other, scored by their learning rate."""
    while len(ledger.records) < upto:
        record = ledger.ask(space)
        ledger.write(record.number, report(8, record.settings.lr), FINISHED)
    return [record.settings for record in ledger.records]


def test_proposals_do_not_depend_on_a_resume(make_ledger, plain_space):
    whole = search(make_ledger(file="whole"), plain_space, 14)
    search(make_ledger(), plain_space, 10)
    assert search(make_ledger(), plain_space, 14) == whole


def test_the_seed_decides_the_proposals(make_ledger, plain_space):
    one = search(make_ledger(file="one", seed=1), plain_space, 10)
    assert search(make_ledger(file="other", seed=2), plain_space, 10) != one


def test_tpe_learns(make_ledger, plain_space):
    """After the random start the proposals go where the scores are low."""
    rates = [settings.lr for settings in search(make_ledger(), plain_space, 40)]
    assert sum(rates[-10:]) < sum(rates[:10]) / 2


def test_nothing_is_noted_twice(make_ledger, plain_space):
    ledger = make_ledger()
    number = ledger.ask(plain_space).number
    assert ledger.write(number, report(2, 9.0))
    assert not ledger.write(number, report(2, 9.0))
    assert ledger.write(number, report(2, 9.0), FINISHED)
    assert not ledger.write(number, report(4, 1.0))
    assert ledger[number].step == 2


def test_a_line_cut_off_by_a_kill_is_dropped(make_ledger, plain_space, tmp_path):
    ledger = make_ledger()
    ledger.write(ledger.ask(plain_space).number, report(2, 9.0))
    journal = tmp_path / "study.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":5,"worker')
    (tmp_path / "study.journal.lock").touch()  # held when the kill came
    again = make_ledger()
    again.write(0, report(4, 7.0), FINISHED)
    assert make_ledger()[0].score == 7.0


def test_what_a_kill_kept_from_optuna_is_told_on_opening(make_ledger, plain_space, tmp_path):
    ledger = make_ledger()
    number = ledger.ask(plain_space).number
    # The kill comes right after the journal has the end of the trial.
    ledger._tell = lambda record: None
    ledger.write(number, report(2, 9.0), STOPPED_EARLY)
    assert optuna_trials(tmp_path)[0].state == TrialState.RUNNING
    make_ledger()
    (trial,) = optuna_trials(tmp_path)
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {2: 9.0}


def test_a_trial_asked_for_and_never_drawn_is_drawn_on_resume(make_ledger, plain_space, tmp_path):
    ledger = make_ledger()
    ledger._study.ask()  # the kill comes before the space has drawn
    assert make_ledger().ask(plain_space).number == 0
    assert len(optuna_trials(tmp_path)) == 1
