"""What a user sees meanwhile."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import threading
from pathlib import Path

import pytest
from reports import report
from rich.console import Console

from tune_am.tuning.record import DIVERGED, FAILED, FINISHED, STOPPED_EARLY
from tune_am.tuning.watching import output
from tune_am.tuning.watching.events import JsonLines
from tune_am.tuning.watching.progress import (
    BEST_ROWS,
    RUNNING_ROWS,
    Lines,
    Screen,
    duration,
    number,
)
from tune_am.tuning.watching.views import make


def play(view, ledger, space):
    """Two trials, one of which stops early."""
    for score, outcome in ((3.0, FINISHED), (9.0, STOPPED_EARLY)):
        record = ledger.ask(space)
        view.trial_started(record)
        ledger.write(record.number, report(4, score), outcome)
        view.trial_reported(ledger[record.number])
        view.trial_ended(ledger[record.number])


def test_lines_for_a_log(make_ledger, plain_space, capsys):
    ledger = make_ledger()
    play(Lines(ledger, 3), ledger, plain_space)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("[1/3] trial 0 finished at step 4, activation-FID 3 (best so far);")
    assert "[2/3] trial 1 stopped early at step 4, activation-FID 9 (best 3, trial 0)" in second


@pytest.mark.parametrize("view", [Lines, JsonLines])
@pytest.mark.parametrize("left", ["by its reader", "on a full disk"])
def test_an_output_that_fails_breaks_nothing(make_ledger, plain_space, monkeypatch, view, left):
    """Within Ray's loop an error would leave trials in the air."""
    monkeypatch.setattr(output, "UNREAD", threading.Event())
    if left == "on a full disk":
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        write = os.open("/dev/full", os.O_WRONLY)
    else:
        read, write = os.pipe()
        os.close(read)
    ledger = make_ledger()
    with os.fdopen(write, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        play(view(ledger, 3), ledger, plain_space)
    assert output.UNREAD.is_set()


def test_trials_that_failed_are_run_again_and_not_counted(make_ledger, plain_space, capsys):
    ledger = make_ledger()
    for _ in range(2):
        ledger.write(ledger.ask(plain_space).number, outcome=FAILED)
    view = Lines(ledger, 2)
    play(view, ledger, plain_space)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["[1/2]", "[2/2]"]
    play(view, ledger, plain_space)
    assert "; 0 s of trials left" in capsys.readouterr().out.splitlines()[-1]


def test_the_time_left_is_no_more_than_there_is(make_ledger, plain_space, capsys):
    ledger = make_ledger()
    play(Lines(ledger, 10**9, seconds=30), ledger, plain_space)
    for line in capsys.readouterr().out.splitlines():
        left = re.search(r" (\d+) s of trials left$", line)
        assert left is not None
        assert int(left[1]) <= 30


def test_one_object_per_event(make_ledger, plain_space, capsys):
    ledger = make_ledger()
    view = JsonLines(ledger, 3)
    view.event("start", "words for people", {"neuron": "vocal"})
    play(view, ledger, plain_space)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = ["trial_started", "trial_reported", "trial_ended"]
    assert [event["event"] for event in events] == ["start", *kinds, *kinds]
    assert events[3] | {"time": 0} == {
        "event": "trial_ended",
        "time": 0,
        "trial": 0,
        "outcome": "finished",
        "step": 4,
        "activation_fid": 3.0,
    }


def test_a_table_in_a_terminal(make_ledger, plain_space, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    ledger = make_ledger()
    out = io.StringIO()
    view = Screen(ledger, 3, Console(file=out, force_terminal=True, width=100))
    with view:
        play(view, ledger, plain_space)
        running = ledger.ask(plain_space)
        view.trial_started(running)
        ledger.write(running.number, report(2, 99.0))
        view.event("trouble", "MLflow failed")
    shown = out.getvalue()
    assert "MLflow failed" in shown
    assert "unfinished" not in shown  # what runs is among the leaders too
    for words in ("running", "best so far", "stopped early", "2 of 3 trials", "trials/min"):
        assert words in shown


def test_the_view_fits_the_output(make_ledger, capsys):
    ledger, pipe = make_ledger(), io.StringIO()
    assert type(make(False, False, pipe, ledger, 1)) is Lines
    assert type(make(False, True, pipe, ledger, 1)) is JsonLines
    quiet = make(True, False, pipe, ledger, 1)
    quiet.event("start", "nothing of this")
    quiet.event("trouble", "but this")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "but this\n")


def test_the_table_is_calm_at_80_columns(make_ledger, plain_space):
    """However much there is to tell, no line is broken and the table keeps its height."""
    ledger = make_ledger()
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    view = Screen(ledger, 123_456, console)
    heights = set()
    for outcome in (STOPPED_EARLY, DIVERGED, FAILED, FINISHED):
        for _ in range(RUNNING_ROWS + 1):
            record = ledger.ask(plain_space)
            ledger.write(record.number, report(100_000, 1.23456e6))
            view.trial_started(ledger[record.number])
        ledger.write(record.number, None, outcome)
        view.trial_ended(ledger[record.number])
        lines = console.render_lines(view._table(), pad=False)
        texts = ["".join(segment.text for segment in line).rstrip() for line in lines]
        assert max(map(len, texts)) <= 80
        assert "…" not in "".join(texts)
        heights.add(len(texts))
    assert heights == {1 + RUNNING_ROWS + BEST_ROWS + 2}

    command = "optuna-dashboard " + "long/" * 30 + "study.journal"
    view.event("start", command)
    assert command in out.getvalue()  # in one piece, to be copied


def test_only_a_terminal_that_can_redraw_gets_the_table(make_ledger, monkeypatch):
    ledger = make_ledger()
    ours, theirs = os.openpty()
    with os.fdopen(ours), open(theirs, "w") as terminal:
        monkeypatch.setenv("TERM", "xterm")
        assert type(make(False, False, terminal, ledger, 1)) is Screen
        monkeypatch.setenv("TERM", "dumb")
        assert type(make(False, False, terminal, ledger, 1)) is Lines
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as CI services do, for a log
    assert type(make(False, False, io.StringIO(), ledger, 1)) is Lines


def test_numbers_and_durations_read_well():
    assert [number(v) for v in (None, 0.012345, 7.65432, 12345.6, 1e6)] == [
        "-",
        "0.01235",
        "7.654",
        "12346",
        "1e+06",
    ]
    assert duration(None) == "time left unknown yet"
    assert duration(125) == "2 min 05 s of trials left"
    assert duration(9.6) == "10 s of trials left"
