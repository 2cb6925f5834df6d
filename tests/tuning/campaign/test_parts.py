"""The parts of a campaign, each on ledgers of its own."""

from __future__ import annotations

import io
import math
import statistics
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from optuna.trial import TrialState
from ray.tune.schedulers import TrialScheduler
from reports import report
from rich.console import Console

from tune_am.am.objectives import DIVERGED_PENALTY, objective
from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.packs.pack import Pack
from tune_am.tuning import space
from tune_am.tuning.budget import Budget
from tune_am.tuning.campaign.pace import STARTING, rescoring_seconds
from tune_am.tuning.campaign.pool import MOST, Pool, gain
from tune_am.tuning.campaign.result import distance
from tune_am.tuning.campaign.scheduler import CampaignScheduler
from tune_am.tuning.campaign.searcher import CampaignSearcher
from tune_am.tuning.campaign.unit import Unit, UnitTrials
from tune_am.tuning.defaults import STARTUP_TRIALS
from tune_am.tuning.folder import RunFolder
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import DIVERGED, FAILED, FINISHED, STOPPED_EARLY, Listener, Record
from tune_am.tuning.run import Halt
from tune_am.tuning.task import task
from tune_am.tuning.watching.progress import Screen

POINTS = (2, 4, 8)


@pytest.fixture
def units(tiny_pack: Path, tmp_path: Path) -> dict[str, Unit]:
    """fc8:0, fc8:1 and fc8:2, with a noise floor of 1."""
    pack = Pack.load(tiny_pack)

    def unit(name: str) -> Unit:
        plan = Plan(name, starts=4, report_points=POINTS)
        ledger = Ledger(tmp_path / f"{name}.journal", name, 0, neuron=name)
        work, folder = task(pack, plan, tmp_path), RunFolder(tmp_path / name)
        return Unit(name, "fc8", plan, ledger, folder, work, {"activation_fid": 1.0})

    return {name: unit(name) for name in ("fc8:0", "fc8:1", "fc8:2")}


class Loop(Listener):
    """Ray's side of it: asks for trials, and ends them with the scores that it is told."""

    def __init__(self, units: dict[str, Unit], plain_space: space.Space) -> None:
        self.started: list[Record] = []
        self.searcher = CampaignSearcher(units, plain_space, 0, [self])
        self._asked = 0

    def trial_started(self, record: Record) -> None:
        self.started.append(record)

    def ask(self) -> str:
        self._asked += 1
        self.searcher.suggest(f"ray{self._asked}")
        return f"ray{self._asked}"

    def end(self, identity: str, score: float) -> None:
        self.searcher.on_trial_complete(identity, report(8, score))


def test_a_unit_begins_with_what_was_best_elsewhere(units, plain_space):
    """All with the first point of the space, which is known of all; then with what others found."""
    loop = Loop(units, plain_space)
    for identity in [loop.ask() for _ in units]:
        loop.end(identity, 100.0)
    assert [record.neuron for record in loop.started] == list(units)
    assert all(record.params == plain_space.points[0] for record in loop.started)
    loop.end(loop.ask(), 4.0)
    second = loop.started[-1]
    assert (second.neuron, second.params) == ("fc8:0", plain_space.points[1])
    loop.ask()
    assert loop.started[-1].neuron == "fc8:1"
    assert loop.started[-1].params == second.params


def test_what_a_stop_left_goes_first(units, plain_space):
    units["fc8:2"].ledger.ask(plain_space)
    loop = Loop(units, plain_space)
    loop.ask()
    assert [(record.neuron, record.number) for record in loop.started] == [("fc8:2", 0)]
    loop.ask()
    assert loop.started[-1].neuron == "fc8:0"


def tried(unit: Unit, kind: space.Space, params: dict[str, float], score: float, end: str) -> None:
    unit.ledger.enqueue((params,))
    record = unit.ledger.ask(kind)
    unit.ledger.write(record.number, report(8 if end == FINISHED else 4, score), end)


def test_the_pool_learns_from_every_neuron(units, plain_space):
    """Each has a few trials, too few for a sampler of its own; together they say: lr near 0.3. One
    neuron's scores are a thousand times those of another, which must not matter."""
    for scale, unit in zip((1.0, 30.0, 1000.0), units.values(), strict=True):
        for i, lr in enumerate((0.01, 0.003, 0.02, 0.28, 0.32, 0.9)):
            near = 0.1 if 0.2 < lr < 0.4 else 10.0 + i
            end = FINISHED if near < 1 or i == 0 else STOPPED_EARLY
            tried(unit, plain_space, {"lr": lr, "l2": 0.01 * (i + 1)}, scale * near, end)
    assert sum(len(unit.ledger.records) for unit in units.values()) > STARTUP_TRIALS
    every = list(units.values())
    proposed = [Pool(every, plain_space, seed).propose(every[0])["lr"] for seed in range(9)]
    assert 0.15 < statistics.median(proposed) < 0.6
    # What it proposes follows from what has ended: a resumed campaign goes on alike.
    assert Pool(every, plain_space, 3).propose(every[0])["lr"] == proposed[3]


def test_what_proved_best_on_others_is_tried_next(units, plain_space):
    one, two, three = units.values()
    start, good, lucky = ({"lr": lr, "l2": 0.1} for lr in (0.1, 0.2, 0.3))
    for unit in units.values():
        tried(unit, plain_space, start, 100.0, FINISHED)
    pool = Pool(list(units.values()), plain_space, 0)
    assert pool.proven(three) is None  # the first is no nearer than itself
    tried(one, plain_space, lucky, 4.0, FINISHED)
    assert pool.proven(three) == pytest.approx(lucky)
    tried(one, plain_space, good, 9.0, FINISHED)
    tried(two, plain_space, good, 9.0, FINISHED)
    assert pool.proven(three) == pytest.approx(good)
    assert pool.proven(two) == pytest.approx(lucky)
    assert pool.proven(one) is None


def test_a_gain_is_a_ratio_of_distances(units, plain_space):
    unit = units["fc8:0"]
    tried(unit, plain_space, {"lr": 0.1, "l2": 0.1}, 100.0, FINISHED)
    tried(unit, plain_space, {"lr": 0.2, "l2": 0.1}, 1.0, FINISHED)
    first, second = unit.ledger.records
    assert gain(first, first) == 0
    assert gain(first, second) == pytest.approx(-2.302585)  # 10 times nearer


def test_what_came_to_nothing_is_no_measure_of_gains(units, plain_space):
    """The first trial of one unit diverged, that of another failed: theirs begin with the next."""
    one, two, three = units.values()
    good, better = ({"lr": lr, "l2": 0.1} for lr in (0.1, 0.2))
    tried(one, plain_space, {"lr": 0.9, "l2": 0.1}, DIVERGED_PENALTY, DIVERGED)
    two.ledger.enqueue(({"lr": 0.9, "l2": 0.1},))
    two.ledger.write(two.ledger.ask(plain_space).number, outcome=FAILED)
    for unit in (one, two):
        tried(unit, plain_space, good, 100.0, FINISHED)
    tried(two, plain_space, better, 25.0, FINISHED)
    pool = Pool(list(units.values()), plain_space, 0)
    assert pool.proven(three) == pytest.approx(better)
    assert pool._gains[repr(sorted(better.items()))] == [pytest.approx(math.log(0.5))]
    assert pool._gains[repr(sorted(good.items()))] == [0.0, 0.0]
    assert pool._gains[repr(sorted({"lr": 0.9, "l2": 0.1}.items()))] == [MOST]


def test_the_pool_takes_a_trial_that_diverged_after_a_score_for_a_stopped_one(units, plain_space):
    unit = units["fc8:0"]
    tried(unit, plain_space, {"lr": 0.1, "l2": 0.1}, 100.0, FINISHED)
    for score in (25.0, DIVERGED_PENALTY):
        number = unit.ledger.ask(plain_space).number
        if score < DIVERGED_PENALTY:
            unit.ledger.write(number, report(2, score))
        ended = report(4, score, best_step=2.0, diverged_share=1.0)
        unit.ledger.write(number, ended, DIVERGED)
    pool = Pool(list(units.values()), plain_space, 0)
    assert pool.proven(units["fc8:1"]) is not None
    _, after, before = pool._study.trials
    assert after.state == TrialState.PRUNED
    assert after.intermediate_values == {2: pytest.approx(math.log(0.5))}
    assert (before.state, before.value) == (TrialState.COMPLETE, MOST)
    assert before.constraints == {"diverged": 1.0}


def test_trials_too_much_alike_still_teach_the_pool(units, plain_space):
    """Under --diversity; their constraints are what the sampler needs."""
    for unit in units.values():
        for lr in (0.1, 0.2):
            unit.ledger.enqueue(({"lr": lr, "l2": 0.1},))
            record = unit.ledger.ask(plain_space)
            unit.ledger.write(record.number, report(8, lr, collapse=0.3), FINISHED)
    pool = Pool(list(units.values()), plain_space, 0)
    assert pool.proven(units["fc8:0"]) is None
    assert len(pool._study.trials) == 6


def test_scores_of_either_sign_have_gains(tmp_path):
    own = objective("mine:score")

    def scored(value: float) -> Record:
        reports = ({"step": 8.0, "best_step": 8.0, own.metric: value},)
        return Record(0, Settings(), reports, FINISHED, {}, {}, own)

    assert gain(scored(-0.1), scored(-0.2)) < gain(scored(-0.1), scored(-0.11)) < 0
    assert gain(scored(0.1), scored(-0.1)) < gain(scored(0.1), scored(0.05)) < 0
    assert gain(scored(-0.1), scored(0.1)) > 0
    assert gain(scored(0.0), scored(0.0)) == 0
    assert gain(scored(1.0), scored(0.99)) == pytest.approx(math.log(0.99), rel=1e-3)


def test_all_units_begin_alike_also_without_points(units):
    open_space = space.from_source(
        "open", "def space(trial):\n    return {'lr': trial.suggest_float('lr', 1e-3, 1.0)}\n"
    )
    loop = Loop(units, open_space)
    for _ in units:
        loop.end(loop.ask(), 3.0)
    assert [record.neuron for record in loop.started] == list(units)
    assert len({record.settings for record in loop.started}) == 1
    loop.ask()
    assert loop.started[-1].settings != loop.started[0].settings


def scheduled(units: dict[str, Unit], kind: space.Space, halt: Halt) -> CampaignScheduler:
    plan = Plan("fc8:0-2", starts=4, report_points=POINTS)
    return CampaignScheduler(units, Budget(9, 2, plan), halt)


def on_result(scheduler: CampaignScheduler, unit: Unit, step: int, seconds: float) -> str:
    trial = SimpleNamespace(config={"task": unit.task, "number": len(unit.ledger.records) - 1})
    result: dict[str, Any] = report(step, 5.0, time_total_s=seconds)
    return scheduler.on_trial_result(None, trial, result)


def test_where_time_is_short_every_neuron_gets_a_first_trial(units, plain_space):
    """18 seconds for three that wait, by two workers: 12 for the next leg of each and for scoring
    that again."""
    unit = units["fc8:0"]
    unit.ledger.ask(plain_space)
    short = scheduled(units, plain_space, Halt(threading.Event(), 18.0))
    assert on_result(short, unit, 2, seconds=5.0) == TrialScheduler.CONTINUE
    assert on_result(short, unit, 4, seconds=10.0) == TrialScheduler.STOP
    assert on_result(short, unit, 8, seconds=20.0) == TrialScheduler.CONTINUE  # its end anyway
    ample = scheduled(units, plain_space, Halt(threading.Event()))
    assert on_result(ample, unit, 4, seconds=10.0) == TrialScheduler.CONTINUE


def test_each_neuron_has_rungs_of_its_own(units, plain_space):
    scheduler = scheduled(units, plain_space, Halt(threading.Event()))
    for name, score in (("fc8:0", 1.0), ("fc8:1", 100.0)):
        tried(units[name], plain_space, {"lr": 0.1, "l2": 0.1}, score, STOPPED_EARLY)
        units[name].ledger.ask(plain_space)
    assert on_result(scheduler, units["fc8:0"], 4, 1.0) == TrialScheduler.STOP
    assert on_result(scheduler, units["fc8:1"], 4, 1.0) == TrialScheduler.CONTINUE


def test_time_is_kept_for_scoring_again(units, plain_space):
    assert 59 < Halt(threading.Event(), 100.0, lambda: 40.0).seconds_left <= 60
    assert 49 < Halt(threading.Event(), 100.0, lambda: 500.0).seconds_left <= 50
    assert Halt(threading.Event(), -1.0).stop_all()

    budget, unit = Budget(9, 2, units["fc8:0"].plan), units["fc8:0"]
    assert rescoring_seconds(units, budget) == 0
    record = unit.ledger.ask(plain_space)
    unit.ledger.write(record.number, report(4, 1.0, sample_steps_per_second=0.5))
    # The best at step 4, its random classifier, and two units that will be at step 2 or later: 12
    # steps of 4 starts, at half a sample-step a second, by two workers.
    assert rescoring_seconds(units, budget) == pytest.approx(STARTING + 12 * 4 / 0.5 / 2)


def test_trials_of_all_units_as_one(units, plain_space):
    trials = UnitTrials(units, Plan("x").scored_by)
    tried(units["fc8:1"], plain_space, {"lr": 0.1, "l2": 0.1}, 3.0, FINISHED)
    tried(units["fc8:1"], plain_space, {"lr": 0.2, "l2": 0.1}, 2.0, FINISHED)
    pending = units["fc8:2"].ledger.ask(plain_space)
    assert [record.key for record in trials.records] == [("fc8:1", 0), ("fc8:1", 1), ("fc8:2", 0)]
    assert trials.unfinished == [pending]
    assert [record.key for record in trials.bests] == [("fc8:1", 1)]
    assert trials.best_beside(pending) is None
    tried(units["fc8:0"], plain_space, {"lr": 0.1, "l2": 0.1}, 3.0, FINISHED)
    assert [record.neuron for record in trials.leaders] == ["fc8:1", "fc8:0"]
    units["fc8:0"].floor["activation_fid"] = 100.0  # what is near depends on the floor
    assert [record.neuron for record in trials.leaders] == ["fc8:0", "fc8:1"]


def test_the_table_is_calm_at_80_columns(units, plain_space):
    trials = UnitTrials(units, Plan("x").scored_by)
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    view = Screen(trials, 123_456, console)
    for unit in units.values():
        for i in range(12):
            tried(unit, plain_space, {"lr": 0.123 + i, "l2": 0.1}, 1.23456e6 + i, STOPPED_EARLY)
        view.trial_started(unit.ledger.ask(plain_space))
    lines = console.render_lines(view._table(), pad=False)
    texts = ["".join(segment.text for segment in line).rstrip() for line in lines]
    assert max(map(len, texts)) <= 80
    assert "…" not in "".join(texts)
    assert sum("best so far" in text for text in texts) == 3  # one for each neuron
    assert "3 neurons scored" in "".join(texts)


def test_a_distance_is_in_multiples_of_the_floor():
    best, floor = {"activation_fid": 8.0}, {"activation_fid": 2.0}
    assert distance("activation_fid", best, floor) == pytest.approx(2.0)
    assert distance("coverage", {"coverage": 0.2}, {"coverage": 0.6}) == pytest.approx(2.0)
    assert distance("activation_fid", None, floor) is None
    assert distance("activation_fid", best, {}) is None
    assert distance("activation_fid", best, {"activation_fid": 0.0}) is None
    # An unbiased score is 0 on average: how far it strays from there is what can be told from it.
    unbiased = {"kid": -0.1, "ci95": (-2.0, 4.0)}
    assert distance("kid", {"kid": 16.0}, unbiased) == pytest.approx(2.0)
