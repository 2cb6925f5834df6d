"""A search by several objectives: what the ledger, the samplers and the rules make of them."""

from __future__ import annotations

from math import hypot, log10
from statistics import median

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from reports import report

from tune_am.am.objectives import DIVERGED_PENALTY, objective
from tune_am.errors import UserError
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import CMAES, GRID, RESCORED_FRONT, SAMPLERS, STARTUP_TRIALS
from tune_am.tuning.early_stopping.schedulers import stopping_rule
from tune_am.tuning.finalists import candidates
from tune_am.tuning.job import prepare
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import DIVERGED, FINISHED, STOPPED_EARLY
from tune_am.tuning.sampling.standing import placed, ranked
from tune_am.tuning.watching.progress import Lines

BOTH = objective("activation_fid,coverage")
POINTS = (8, 16, 32, 64)


def both(step: int, fid: float, coverage: float, **more: float) -> dict[str, float]:
    return report(step, fid, coverage=coverage, **more)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "study.journal", "both", 0, BOTH)


def at(ledger, space, *pairs: tuple[float, float], outcome: str | None = None) -> int:
    """A trial that kept examples of these pairs of scores at the first points."""
    number, best = ledger.ask(space).number, (1e9, 0)
    for step, (fid, coverage) in zip(POINTS, pairs, strict=False):
        best = min(best, (fid, step))
        fids = {"activation_fid_now": fid, "best_step": best[1]}
        ledger.write(number, both(step, best[0], coverage, **fids))
    if outcome:
        ledger.write(number, outcome=outcome)
    return number


def test_the_first_leads_and_the_others_are_those_after_it():
    assert BOTH.name == "activation_fid"
    assert BOTH.asked == "activation_fid,coverage"
    assert [each.asked for each in BOTH.every] == ["activation_fid", "coverage"]
    assert BOTH.fewest == objective("coverage").fewest
    assert objective("kid, layer_fid").asked == "kid,layer_fid"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"objective": "kid,kid"}, "has kid twice: each is allowed once"),
        ({"objective": "kid,a:b,c:d"}, "has two functions of your own: one is allowed once"),
        ({"objective": "kid,"}, "unknown objective ''"),
        (
            {"objective": "kid,layer_fid", "sampler": "cmaes"},
            "goes by one objective, not by kid,la",
        ),
        ({"objective": "kid,layer_fid", "neuron": "fc8:*"}, "several neurons are compared by one"),
    ],
)
def test_what_is_refused(tiny_pack, tmp_path, asked, said):
    given = {"neuron": "vocal", "pack": str(tiny_pack), "out": str(tmp_path / "run")}
    with pytest.raises(UserError) as caught:
        prepare(SearchConfig(**{**given, **asked}), frozenset(), "")
    assert said in str(caught.value)


def test_a_trial_counts_with_what_its_best_examples_score(ledger, plain_space):
    """Best by the first objective; coverage was higher at another step."""
    number = at(ledger, plain_space, (5.0, 0.9), (3.0, 0.4), (4.0, 0.8))
    record = ledger[number]
    assert record.scores == {"activation_fid": 3.0, "coverage": 0.4}
    assert record.scores_at(8) == (5.0, 0.9)
    assert record.standing_at(32) == (0.0, (3.0, -0.4))


def test_optuna_is_told_all_of_them_also_of_a_stopped_trial(ledger, plain_space, tmp_path):
    at(ledger, plain_space, (5.0, 0.9), (3.0, 0.4), outcome=FINISHED)
    at(ledger, plain_space, (6.0, 0.5), outcome=STOPPED_EARLY)
    at(ledger, plain_space, (9.0, 0.3), outcome=FINISHED)
    wild = ledger.ask(plain_space).number
    worst = both(8, DIVERGED_PENALTY, 0.0, diverged_share=1.0)
    ledger.write(wild, worst, DIVERGED)
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.journal")))
    study = optuna.load_study(study_name="both", storage=storage)
    assert study.metric_names == ["activation_fid", "coverage"]
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [(trial.state, trial.values) for trial in study.trials[:3]] == [
        (TrialState.COMPLETE, [3.0, 0.4]),
        (TrialState.PRUNED, [6.0, 0.5]),
        (TrialState.COMPLETE, [9.0, 0.3]),
    ]
    assert [trial.number for trial in study.best_trials] == [0]
    assert [trial.number for trial in ranked(study)] == [0, 2, 1, wild]
    again = Ledger(tmp_path / "study.journal", "both", 0, BOTH)
    assert [record.scores for record in again.records] == [r.scores for r in ledger.records]


def test_samplers_are_shown_places(ledger, plain_space):
    for pair in ((5.0, 0.5), (1.0, 0.1), (6.0, 0.4), (9.0, 0.9), (2.0, 0.4)):
        at(ledger, plain_space, pair, outcome=FINISHED)
    waits = ledger.ask(plain_space)
    asked = ledger._study.ask()
    view, trial = placed(ledger._study, ledger._study.get_trials()[asked.number])
    places = [ended.value for ended in view.get_trials(states=(TrialState.COMPLETE,))]
    assert sorted(places) == [0, 1, 2, 3, 4]
    assert places[2] == 4  # to the others on the front none is better
    assert {places[1], places[3]} == {0, 1}  # its ends
    assert [t.params for t in view.get_trials(states=(TrialState.RUNNING,))] == [waits.params, {}]
    assert trial.params == {}


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name not in (GRID, CMAES)])
def test_a_resume_goes_on_with_identical_proposals(tmp_path, plain_space, sampler):
    """And those of a sampler that learns are not random ones."""

    def settings(file: str, upto: int) -> list:
        ledger = Ledger(tmp_path / file, "study", 3, BOTH, sampler=sampler)
        while len(ledger.records) < upto:
            record = ledger.ask(plain_space)
            fid, coverage = record.settings.lr, min(1.0, record.settings.l2)
            outcome = STOPPED_EARLY if record.number % 4 == 1 else FINISHED
            ledger.write(record.number, both(8, fid, coverage), outcome)
        return [record.settings for record in ledger.records]

    trials = STARTUP_TRIALS + 2
    whole = settings("whole", trials)
    settings("cut", trials - 1)
    assert settings("cut", trials) == whole


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 32), ("nsga2", 40)])
def test_proposals_near_the_front(tmp_path, plain_space, sampler, trials):
    """Of two paraboloids: the way between their lowest points."""
    ledger = Ledger(tmp_path / "study", "study", 1, BOTH, sampler=sampler)
    ways = []
    for _ in range(trials):
        settings = (record := ledger.ask(plain_space)).settings
        x, y = 1 + log10(settings.lr) / 3, 1 + log10(settings.l2) / 3  # from 0 to 1
        losses = hypot(x - 0.25, y - 0.5), hypot(x - 0.75, y - 0.5)
        ways.append(hypot(max(0.0, abs(x - 0.5) - 0.25), y - 0.5))
        ledger.write(record.number, both(8, losses[0], 1 - losses[1]), FINISHED)
    assert median(ways[-STARTUP_TRIALS:]) < 0.6 * median(ways[:STARTUP_TRIALS])


@pytest.mark.parametrize("rule", ["asha", "median"])
def test_what_is_good_by_one_of_them_goes_on(ledger, plain_space, rule):
    for _ in range(3):
        at(ledger, plain_space, (2.0, 0.5), (2.0, 0.5), outcome=FINISHED)
    stops = stopping_rule(rule, POINTS).stops
    number = at(ledger, plain_space, (9.0, 0.4))
    assert stops(ledger, number, both(16, 9.0, 0.4, best_step=16))
    assert not stops(ledger, number, both(16, 9.0, 0.8, best_step=16))
    assert not stops(ledger, number, both(16, 1.0, 0.1, best_step=16))


def test_a_slow_starter_is_spared_by_whichever_of_them_it_nears(ledger, plain_space):
    """Coverage grows by 0.2 every 8 steps; that of the others has settled."""
    for fid, coverage in ((2.0, 0.7), (3.0, 0.72), (4.0, 0.74)):
        at(ledger, plain_space, (fid, coverage), (fid, coverage))
    slow = at(ledger, plain_space, (9.0, 0.2))
    asha = stopping_rule("asha", POINTS)
    assert not asha.stops(ledger, slow, both(16, 9.0, 0.4, best_step=16))
    assert asha.stops(ledger, slow, both(16, 9.0, 0.21, best_step=16))


def test_the_front_is_scored_again_the_best_by_the_first_before_the_others(ledger, plain_space):
    for i in range(RESCORED_FRONT):  # a front, and beside each of it what is worse by both
        at(ledger, plain_space, (8.0 - i, 0.9 - 0.1 * i), outcome=FINISHED)
        at(ledger, plain_space, (9.0 - i, 0.85 - 0.1 * i), outcome=FINISHED)
    chosen = candidates(ledger.scored)
    front = range(0, 2 * RESCORED_FRONT, 2)
    assert [candidate.number for candidate in chosen] == list(reversed(front))
    assert chosen[0].search_scores == pytest.approx({"activation_fid": 1.0, "coverage": 0.2})


def test_lines_tell_all_scores(ledger, plain_space, capsys):
    number = at(ledger, plain_space, (3.0, 0.25), outcome=FINISHED)
    Lines(ledger, 1).trial_ended(ledger[number])
    assert "activation-FID 3 (best so far), coverage 0.25; " in capsys.readouterr().out
