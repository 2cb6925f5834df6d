"""What Prometheus is told of a search; tests/test_dashboards.py asks a real one."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from reports import report

from tune_am.am import score
from tune_am.am.objectives import ACTIVATION_FID
from tune_am.am.plan import Plan
from tune_am.tuning.record import DIVERGED, FAILED, FINISHED, STOPPED_EARLY
from tune_am.tuning.watching import metrics
from tune_am.tuning.watching.metrics import MOST_ENDED, SearchMetrics

PLAN = Plan("vocal", starts=4, report_points=(2, 4, 8))
SEARCH = {"neuron": "vocal", "direction": "max"}


@pytest.fixture
def watched(make_ledger, plain_space):
    """A search of 50 trials: its ledger, its metrics, and a way to report a step of a trial."""
    ledger = make_ledger()
    live = SearchMetrics(PLAN, 50, ledger)

    def begin():
        record = ledger.ask(plain_space)
        live.trial_started(record)
        return record.number

    def tell(number, step, fid, outcome=None):
        ledger.write(number, report(step, fid), outcome)
        live.trial_reported(ledger[number])
        if outcome:
            live.trial_ended(ledger[number])

    return live, begin, tell


def values(live, name, unit=""):
    """The samples of one metric on a unit: its own tags and values."""
    found = {}
    for sample in live.samples():
        if sample.name == name and sample.tags.get("unit", unit) == unit:
            assert sample.tags | SEARCH == sample.tags
            shared = {*SEARCH, "unit"}
            own = tuple(value for key, value in sample.tags.items() if key not in shared)
            found[own] = sample.value
    return found


def test_names_of_neurons_are_tags_that_ray_takes():
    """ASCII only, or it raises, in a worker at the cost of its trial."""
    tags = metrics.search_tags(Plan("猫"))
    assert tags[metrics.NEURON] == r"\u732b"
    assert metrics.search_tags(Plan("fc8:3"))[metrics.NEURON] == "fc8:3"


def test_trials_are_counted_by_state(watched):
    live, begin, tell = watched
    first, second, third = begin(), begin(), begin()
    tell(first, 8, 3.0, FINISHED)
    tell(second, 4, 9.0, STOPPED_EARLY)
    begin()
    begin()
    tell(third, 2, 1e6, DIVERGED)
    assert values(live, metrics.TRIALS) == {
        ("waiting",): 45,
        ("running",): 2,
        ("finished",): 1,
        ("stopped_early",): 1,
        ("diverged",): 1,
        ("failed",): 0,
    }


def test_each_trial_and_the_best_of_them(watched):
    live, begin, tell = watched
    first, second = begin(), begin()
    assert values(live, metrics.BEST_SCORE) == values(live, score.STEP) == {}
    tell(first, 2, 7.0)
    tell(second, 2, 5.0)
    tell(first, 4, 6.0)
    assert values(live, score.STEP) == {("0",): 4, ("1",): 2}
    assert values(live, ACTIVATION_FID) == {("0",): 6.0, ("1",): 5.0}
    assert values(live, metrics.BEST_SCORE) == {(): 5.0}
    assert values(live, metrics.BEST_TRIAL) == {(): 1}


def test_a_campaign_s_metrics_are_of_one_search_and_say_the_unit(make_ledger, plain_space):
    """Who picks the search in Grafana sees all of it."""
    ledger = make_ledger()
    live = SearchMetrics(PLAN, 50, ledger)
    for unit, fid in (("fc8:3", 7.0), ("fc8:4", 5.0)):
        record = replace(ledger.ask(plain_space), neuron=unit)
        live.trial_started(record)
        live.trial_reported(replace(record, reports=(report(2, fid),)))
    for unit, number, fid in (("fc8:3", "0", 7.0), ("fc8:4", "1", 5.0)):
        assert values(live, ACTIVATION_FID, unit) == {(number,): fid}


def test_a_long_search_shows_few_trials_at_a_time(watched, monkeypatch):
    live, begin, tell = watched
    for _ in range(MOST_ENDED + 5):
        tell(begin(), 8, 1.0, FINISHED)
    running = begin()
    tell(running, 2, 2.0)
    shown = [int(number) for (number,) in values(live, score.STEP)]
    assert sorted(shown) == [*range(5, MOST_ENDED + 5), running]
    monkeypatch.setattr(metrics, "SHOWN_SECONDS", -1.0)
    assert list(values(live, score.STEP)) == [(str(running),)]


def test_a_resumed_search_counts_what_it_did_before(make_ledger, plain_space):
    ledger = make_ledger()
    numbers = [ledger.ask(plain_space).number for _ in range(3)]
    ledger.write(numbers[0], report(8, 3.0), FINISHED)
    ledger.write(numbers[1], report(2, 4.0))
    ledger.write(numbers[2], outcome=FAILED)  # another is run in its place
    live = SearchMetrics(PLAN, 5, make_ledger())
    states = values(live, metrics.TRIALS)
    assert (states["finished",], states["running",], states["waiting",]) == (1, 0, 4)
    assert values(live, metrics.BEST_SCORE) == {(): 3.0}


def test_every_metric_is_described_and_called_as_in_the_code(watched):
    live, begin, tell = watched
    tell(begin(), 2, 7.0)
    assert {sample.name for sample in live.samples()} <= set(metrics.DESCRIPTIONS)
    assert {score.STEP, ACTIVATION_FID} <= set(metrics.DESCRIPTIONS)
    for name in metrics.DESCRIPTIONS:  # what Prometheus takes for a name
        assert re.fullmatch(r"ray_tune_am_[a-z_]+", metrics.exported(name))
