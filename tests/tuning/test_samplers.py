"""Every sampler proposes from the ledger alone, and has no Ray to ask."""

from __future__ import annotations

from math import log10
from statistics import NormalDist

import pytest
from reports import report

from tune_am.am.objectives import DIVERGED_PENALTY
from tune_am.tuning.defaults import GRID, POPULATION, SAMPLERS, SCHEDULERS, STARTUP_TRIALS
from tune_am.tuning.early_stopping.schedulers import stopping_rule
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import DIVERGED, FINISHED, STOPPED_EARLY
from tune_am.tuning.sampling import gaussian_process, samplers
from tune_am.tuning.sampling.gaussian_process import shown
from tune_am.tuning.sampling.samplers import sampler_for
from tune_am.tuning.sampling.standing import ranked
from tune_am.tuning.space import Space, from_source

TRIALS = STARTUP_TRIALS + 2

BRANCHES = """
def space(trial):
    settings = {
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
        "init_scale": trial.suggest_float("init_scale", 0.5, 1.5),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "sgd"]),
    }
    if settings["optimizer"] == "sgd":
        settings["momentum"] = trial.suggest_float("momentum", 0.0, 0.9)
    return settings
"""


def searched(ledger: Ledger, upto: int) -> list:
    """Trials one after the other, of which some diverge and some are stopped."""
    space = from_source("branches", BRANCHES)
    while len(ledger.records) < upto:
        record = ledger.ask(space)
        score = 100 * abs(record.settings.lr - 0.1) + record.settings.init_scale
        if record.number == 2:
            worst = report(8, DIVERGED_PENALTY, diverged_share=1.0)
            ledger.write(record.number, worst, DIVERGED)
        else:
            outcome = STOPPED_EARLY if record.number % 4 == 1 else FINISHED
            ledger.write(record.number, report(8, score), outcome)
    return [record.settings for record in ledger.records]


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != GRID])
def test_a_resume_goes_on_with_identical_proposals(tmp_path, sampler):
    def ledger(file: str) -> Ledger:
        return Ledger(tmp_path / file, "study", seed=3, sampler=sampler)

    whole = searched(ledger("whole"), TRIALS)
    searched(ledger("cut"), TRIALS - 1)
    assert searched(ledger("cut"), TRIALS) == whole


def test_cmaes_goes_on_where_stopped_trials_lack_a_parameter_of_all_finished_ones(tmp_path):
    ledger = Ledger(tmp_path / "study", "study", seed=1, sampler="cmaes")
    space = from_source("branches", BRANCHES)
    for number in range(4 * STARTUP_TRIALS):
        record = ledger.ask(space)
        outcome = FINISHED if "momentum" in record.params else STOPPED_EARLY
        ledger.write(number, report(8, record.settings.lr), outcome)
    assert {record.outcome for record in ledger.records} == {FINISHED, STOPPED_EARLY}
    drawn = [record.settings.lr for record in ledger.records]
    assert sum(drawn[-8:]) < sum(drawn[:8])  # it learned from both


def test_the_gp_is_shown_ranks_and_the_constraints_that_are_broken(tmp_path):
    """Not the penalty of a trial that diverged, beside which all scores are alike."""
    ledger = Ledger(tmp_path / "study", "study", seed=0)
    searched(ledger, 5)
    asked = ledger._study.ask()
    trials = shown(ledger._study, ledger._study.get_trials()[asked.number])
    by_score = sorted(
        ledger.records, key=lambda r: (r.outcome == DIVERGED, r.outcome == STOPPED_EARLY, r.loss)
    )
    assert [trial.params for trial in sorted(trials, key=lambda t: t.value)] == [
        record.params for record in by_score
    ]
    assert [round(trial.value, 3) for trial in trials if trial.constraints["diverged"]] == [1.282]


def test_of_many_trials_the_gp_is_shown_the_best_and_some_of_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(gaussian_process, "BEST", 2)
    monkeypatch.setattr(gaussian_process, "MOST", 5)
    ledger = Ledger(tmp_path / "study", "study", seed=0)
    searched(ledger, 10)
    asked = ledger._study.ask()
    trials = shown(ledger._study, ledger._study.get_trials()[asked.number])
    order = ranked(ledger._study)
    assert [trial.params for trial in trials] == [order[place].params for place in (0, 1, 2, 6, 9)]
    # Each keeps its rank among all of them.
    quantiles = [NormalDist().cdf(trial.value) for trial in trials]
    assert quantiles == pytest.approx([0.05, 0.15, 0.25, 0.65, 0.95])


def test_trials_rank_by_constraints_then_by_how_far_they_went_then_by_score(tmp_path, plain_space):
    ledger = Ledger(tmp_path / "study", "study", seed=0)
    for step, score, outcome, diverged in (
        (8, 1.0, STOPPED_EARLY, 0.0),
        (32, 9.0, FINISHED, 0.0),
        (16, 5.0, STOPPED_EARLY, 0.0),
        (32, 0.1, FINISHED, 1.0),
        (16, 4.0, STOPPED_EARLY, 0.0),
        (32, 8.0, FINISHED, 0.0),
    ):
        number = ledger.ask(plain_space).number
        ledger.write(number, report(step, score, diverged_share=diverged), outcome)
    ledger.ask(plain_space)
    assert [trial.number for trial in ranked(ledger._study)] == [5, 1, 4, 2, 0, 3]


def test_a_trial_that_diverged_after_a_score_ranks_as_stopped_there(tmp_path, plain_space):
    ledger = Ledger(tmp_path / "study", "study", seed=0)
    for step, score, outcome in (
        (10, 9.0, STOPPED_EARLY),
        (20, 3.0, STOPPED_EARLY),
        (5, 9000.0, None),
        (40, 1.0, FINISHED),
    ):
        ledger.write(ledger.ask(plain_space).number, report(step, score), outcome)
    ledger.write(2, report(10, 9000.0, best_step=5, diverged_share=1.0), DIVERGED)
    assert [trial.number for trial in ranked(ledger._study)] == [3, 1, 0, 2]


POINTS = (4, 8, 16, 32)


def by_asha(ledger: Ledger, space: Space, trials: int) -> None:
    """Scores that fall towards how far, in decades, the setting is from lr 0.1 and l2 0.1."""
    rule = stopping_rule("asha", POINTS)
    assert rule is not None
    for number in range(trials):
        settings = ledger.ask(space).settings
        ahead = log10(settings.lr / 0.1) ** 2 + log10(settings.l2 / 0.1) ** 2
        for step in POINTS:
            metrics = report(step, ahead + 4 / step)
            ended = step == POINTS[-1] or rule.stops(ledger, number, metrics)
            outcome = FINISHED if step == POINTS[-1] else STOPPED_EARLY
            ledger.write(number, metrics, outcome if ended else None)
            if ended:
                break


@pytest.mark.parametrize(
    ("sampler", "trials"),
    [("tpe", 24), ("gp", 16), ("cmaes", 24), ("nsga2", 24)],  # of the GP each takes a second
)
def test_with_asha_most_of_the_last_settings_are_not_random(
    tmp_path, plain_space, monkeypatch, sampler, trials
):
    proposed = []

    def watched(*which):
        made = sampler_for(*which)
        propose = made.sample_relative

        def sample_relative(*args):
            proposed.append(propose(*args))
            return proposed[-1]

        made.sample_relative = sample_relative
        return made

    monkeypatch.setattr(samplers, "sampler_for", watched)
    ledger = Ledger(tmp_path / "study", "study", seed=1, sampler=sampler)
    by_asha(ledger, plain_space, trials)
    outcomes = [record.outcome for record in ledger.records]
    assert outcomes.count(STOPPED_EARLY) > trials / 2
    last = proposed[-trials // 3 :]
    assert sum(bool(params) for params in last) > 0.7 * len(last)


def test_parents_are_the_best_of_all_that_ended_before(tmp_path, plain_space):
    ledger = Ledger(tmp_path / "study", "study", seed=1, sampler="nsga2")
    by_asha(ledger, plain_space, 2 * POPULATION + 1)
    parents = sampler_for("nsga2", 0).get_parent_population(ledger._study, 2)
    best = [t for t in ranked(ledger._study) if t.number < 2 * POPULATION][:POPULATION]
    assert [parent.params for parent in parents] == [trial.params for trial in best]
    assert [parent.value for parent in parents] == list(range(POPULATION))


def test_every_scheduler_has_a_rule_but_none():
    rules = {name: stopping_rule(name, (8, 16, 32)) for name in SCHEDULERS}
    assert [name for name, rule in rules.items() if rule is None] == ["none"]
