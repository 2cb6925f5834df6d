"""Trials under a real Ray."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray
import torch

from tune_am.am.objectives import ACTIVATION_FID
from tune_am.am.plan import Plan
from tune_am.am.trial_run import TrialRun
from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.tuning.finalists import candidates
from tune_am.tuning.record import FINISHED, STOPPED_EARLY
from tune_am.tuning.rescore import control_rows, gather, rescore, tasks_of
from tune_am.tuning.run import Failures, Halt, Waiting, run_trials, to_run
from tune_am.tuning.space import from_source
from tune_am.tuning.trial import NUMBER

pytestmark = pytest.mark.usefixtures("own_ray")


FIRST_ONLY = """
def space(trial):
    return {"lr": 0.1 if trial.number == 0 else -1.0}
"""


def test_a_space_that_refuses_to_go_on_lets_its_trials_end(
    make_ledger, make_budget, tiny_task, tmp_path
):
    """The second of two workers has nothing to do; the first comes to its end."""
    ledger, told, halt = make_ledger(), [], Halt(threading.Event())
    space, budget = from_source("mine", FIRST_ONLY, rehearsed=True), make_budget(4, 2)
    place = tmp_path / "ray"
    assert run_trials(ledger, space, budget, tiny_task, place, halt, [], told.append) == []
    assert [record.outcome for record in ledger.records] == [FINISHED]
    assert halt.refused
    assert halt.early
    assert len(told) == 1
    assert told[0].startswith("the search ends early: space mine: setting lr=-1")


def test_a_time_limit_halts():
    event = threading.Event()
    assert not Halt(event).stop_all()
    assert not Halt(event, seconds=60).stop_all()
    late = Halt(event, seconds=-1)
    assert late.stop_all()
    assert late.up
    assert not late.early
    event.set()
    stopped = Halt(event, seconds=60)
    assert stopped.stop_all()
    assert not stopped.up


class Follower:
    """Counts what it is told, and may halt the run: at a report, once so many trials have ended."""

    def __init__(self, event=None, after=0):
        self.started, self.reported, self.ended = [], [], []
        self._event, self._after = event, after

    def trial_started(self, record):
        self.started.append(record.number)

    def trial_reported(self, record):
        self.reported.append((record.number, record.step))
        if self._event and len(self.ended) >= self._after:
            self._event.set()

    def trial_ended(self, record):
        self.ended.append(record.number)


def test_stopped_and_resumed_it_ends_as_it_would_have_and_is_scored_again(
    make_ledger, plain_space, make_budget, tiny_task, tiny_pack, tmp_path
):
    """One worker, so that both searches see the same history: the same trials, the same numbers,
    nothing run or told twice; and each number is what one plain process computes. A trial that was
    cut off keeps its ascent, one that ended does not."""
    budget = make_budget(trials=6, workers=1)

    def go(ledger, follower, event=None):
        ledger.enqueue(plain_space.points)
        halt = Halt(event or threading.Event())
        task = {**tiny_task, "folder": str(tmp_path / ledger.name)}
        assert not run_trials(ledger, plain_space, budget, task, tmp_path / "ray", halt, [follower])
        return ledger

    event, first, second = threading.Event(), Follower(), Follower()
    first = Follower(event, after=2)
    cut = go(make_ledger("cut", file="cut"), first, event)
    assert [record.outcome for record in cut.records] == [FINISHED, STOPPED_EARLY, None]
    assert held(tmp_path / cut.name) == [False, False, True]
    cut = go(make_ledger("cut", file="cut"), second)
    whole = go(make_ledger("whole", file="whole"), Follower())

    assert [timeless(record) for record in cut.records] == [timeless(r) for r in whole.records]
    assert {record.outcome for record in cut.records} == {FINISHED, STOPPED_EARLY}
    assert held(tmp_path / cut.name) == 6 * [False]
    assert first.ended == [0, 1]
    assert set(second.started) == {2, 3, 4, 5}
    told = first.reported + second.reported
    assert len(told) == len(set(told)) == sum(len(record.reports) for record in cut.records)

    pack, plan = Pack.load(tiny_pack), Plan(**tiny_task["plan"])
    for record in whole.records:
        run = TrialRun(pack, plan, record.settings)
        for metrics in record.reports:
            plain = run.advance_to(int(metrics["step"]))
            assert plain[ACTIVATION_FID] == pytest.approx(metrics[ACTIVATION_FID], rel=1e-12)
    check_scored_again(whole, tiny_task, make_budget(trials=6, workers=2), pack)


def held(folder):
    """Which of the trials' states hold an ascent to go on from."""
    states = [torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))]
    return ["ascent" in state["run"] for state in states]


def timeless(record):
    reports = [{**m, "sample_steps_per_second": 0} for m in record.reports]
    return record.number, record.settings, record.outcome, reports


def check_scored_again(ledger, tiny_task, budget, pack):
    """The best, by two workers on fresh starts."""
    event = threading.Event()
    chosen, told = candidates(ledger.scored, n=2), []

    def tell(*heard: int) -> None:
        told.append(heard)

    rows = rescore(chosen, tiny_task, budget, pack, event, tell)
    assert {row.candidate.number for row in rows} == {c.number for c in chosen}
    best = rows[0]
    assert best.latents.shape == (50, 8)
    assert best.inputs(pack).shape == (50, 80, 115)
    assert best.ci95[0] <= best.score <= best.ci95[1]
    assert best.score != best.candidate.search_scores["activation_fid"]
    heard = told[-1][1]
    controls = control_rows(best.candidate, tiny_task, budget, event, tell)
    assert told[-1] == (2, 2)
    assert heard + 2 == tasks_of(chosen, budget.plan)
    assert set(controls) == {"never_optimised", "random_classifier", "real_vs_real"}
    event.set()
    assert rescore(chosen, tiny_task, budget, pack, event, tell) is None


def test_what_a_worker_refuses_is_one_line():
    def refuse():
        raise UserError("no such thing")

    with pytest.raises(UserError) as caught:
        gather([ray.remote(refuse).remote()], threading.Event())
    assert str(caught.value) == "no such thing"


def test_a_trial_that_fails_ends_alone(make_ledger, plain_space, make_budget, tiny_task, tmp_path):
    """Its state cannot be written: both attempts fail, the search says why at once and goes on. A
    resume tries another in its place."""
    ledger, follower, told = make_ledger(), Follower(), []
    folder = tmp_path / "file"
    folder.touch()
    task = {**tiny_task, "folder": str(folder)}
    budget, halt = make_budget(1, 1), Halt(threading.Event())
    errors = run_trials(
        ledger, plain_space, budget, task, tmp_path / "ray", halt, [follower], told.append
    )
    assert [record.outcome for record in ledger.records] == ["failed"]
    assert len(errors) == 1
    assert told[0].startswith("trial 0 failed: ")
    assert told[0].removeprefix("trial 0 failed: ") in errors[0]
    assert to_run(ledger, budget) == 1


def test_it_says_so_where_no_worker_starts(monkeypatch):
    """What Ray calls, where nothing has started in time and where something has."""
    monkeypatch.setattr(Waiting, "SECONDS", -1)
    told = []
    waiting = Waiting(told.append)
    for _ in range(3):
        waiting.on_step_begin(0, [])
    assert len(told) == 1
    assert told[0].startswith("no worker has started within")
    waiting = Waiting(told.append)
    waiting.on_trial_start(0, [], None)
    waiting.on_step_begin(0, [])
    assert len(told) == 1


def test_trials_that_all_fail_end_the_run(tmp_path):
    """What Ray calls, of trials that failed or ended."""
    trial = SimpleNamespace(error_file=str(tmp_path / "error.txt"), config={NUMBER: 4})
    Path(trial.error_file).write_text("Traceback\nOSError: disk full\n\n")
    told, halt = [], Halt(threading.Event())
    failures = Failures(halt, told.append)
    for count in range(Failures.MOST):
        assert not halt.stop_all(), count
        failures.on_trial_error(0, [], trial)
    assert halt.stop_all()
    assert told == ["trial 4 failed: OSError: disk full"]

    halt = Halt(threading.Event())
    failures = Failures(halt, told.append)
    failures.on_trial_complete(0, [], trial)
    for _ in range(2 * Failures.MOST):
        failures.on_trial_error(0, [], trial)
    assert not halt.stop_all()
