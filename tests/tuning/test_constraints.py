"""What is allowed comes before what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from reports import report

from tune_am.am.controls import never_optimised_latents
from tune_am.am.objectives import DIVERGED_PENALTY
from tune_am.am.plan import Plan
from tune_am.am.score import PAIRWISE_DISTANCE, collapse
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.packs.pack import Pack
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.finalists import candidates
from tune_am.tuning.job import prepare
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import DIVERGED, FINISHED


def test_collapse_is_what_is_missing():
    assert collapse(0.3, 0.4) == pytest.approx(0.25)
    assert collapse(0.5, 0.4) == 0
    assert collapse(0.0, 0.0) == 0


@pytest.fixture
def ledger(make_ledger, plain_space) -> Ledger:
    """The best score has collapsed, the next is allowed."""
    ledger = make_ledger()
    for score, missing in ((1.0, 0.3), (4.0, 0.0), (2.0, 0.1), (6.0, 0.0)):
        number = ledger.ask(plain_space).number
        ledger.write(number, report(8, score, collapse=missing), FINISHED)
    return ledger


def test_a_feasible_trial_beats_any_other(ledger):
    assert ledger.best.number == 1
    assert [c.number for c in candidates(ledger.scored)] == [1, 3, 2, 0]


def test_optuna_is_told_in_its_own_words(ledger):
    told = ledger._study.get_trials(deepcopy=False)
    assert told[0].constraints == {"collapse": 0.3, "diverged": 0.0}
    assert ledger._study.best_trial.number == 1


def test_a_trial_that_was_good_before_it_diverged_is_allowed(make_ledger, plain_space):
    ledger = make_ledger()
    for first in (3.0, DIVERGED_PENALTY):
        number = ledger.ask(plain_space).number
        bad = float(first == DIVERGED_PENALTY)
        ledger.write(number, report(4, first, diverged_share=bad))
        ledger.write(number, report(8, first, best_step=4, diverged_share=1.0), DIVERGED)
    good, bad = ledger.records
    assert (good.violation, bad.violation) == (0.0, 1.0)
    assert ledger._study.get_trials()[1].constraints == {"diverged": 1.0}


def test_a_run_prefers_the_report_point_whose_examples_are_apart(tiny_pack):
    """Every report point is a shorter ascent: the best that is allowed counts."""
    pack = Pack.load(tiny_pack)
    plan = Plan("vocal", starts=8, report_points=(1, 4, 12))
    settings = Settings(lr=0.3, l2=0.0, radius=1.0)
    free = TrialRun(pack, plan, settings)
    reports = [free.advance_to(step) for step in plan.report_points]
    distances = [metrics[PAIRWISE_DISTANCE] for metrics in reports]
    apart = (min(distances) + max(distances)) / 2
    run = TrialRun(pack, replace(plan, apart=apart), settings)
    metrics = [run.advance_to(step) for step in plan.report_points][-1]
    allowed = [m for m in reports if m[PAIRWISE_DISTANCE] >= apart]
    assert metrics["collapse"] == 0
    assert metrics["activation_fid"] == min(m["activation_fid_now"] for m in allowed)
    assert "collapse" not in reports[0]


def test_the_bound_is_a_share_of_what_random_inputs_have(tiny_pack, tmp_path):
    pack = Pack.load(tiny_pack)
    asked = SearchConfig("vocal", str(tiny_pack), out=str(tmp_path / "run"), diversity=0.5)
    plan = prepare(asked, frozenset(), "").budget.plan
    with torch.no_grad():
        inputs = pack.prior(never_optimised_latents(pack, plan))
    n = len(inputs)
    distances = [
        float((inputs[i] - inputs[j]).square().mean().sqrt()) for i in range(n) for j in range(i)
    ]
    assert plan.apart == pytest.approx(0.5 * sum(distances) / len(distances))
