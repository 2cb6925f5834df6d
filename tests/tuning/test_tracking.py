"""MLflow has every trial once, whatever happened."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from reports import report

from tune_am.errors import UserError
from tune_am.tuning import tracking
from tune_am.tuning.record import DIVERGED, FINISHED, STOPPED_EARLY


def follow(uri: str, ledger, search: str, said: list[str] | None = None) -> tracking.Tracking:
    log = tracking.Tracking(uri, Path("artifacts"))
    params, tags = {"neuron": "vocal", "trials": 4}, {"pack.hash": "abc", "neuron": "vocal"}
    trouble = (said if said is not None else []).append
    log.begin(search, "run", params, tags, ledger, lambda record: f"t{record.number}", trouble)
    return log


def tell(log, ledger, space, *reports, outcome=None) -> int:
    record = ledger.ask(space)
    log.trial_started(record)
    for i, metrics in enumerate(reports):
        last = i == len(reports) - 1
        ledger.write(record.number, metrics, outcome if last else None)
        log.trial_reported(ledger[record.number])
    if outcome:
        log.trial_ended(ledger[record.number])
    return record.number


def children(uri: str, parent: str):
    client = MlflowClient(uri)
    experiment = client.get_run(parent).info.experiment_id
    found = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    return {int(run.data.tags[tracking.TRIAL]): run for run in found}


def steps(uri: str, run_id: str) -> list[int]:
    return [m.step for m in MlflowClient(uri).get_metric_history(run_id, "activation_fid")]


def test_a_parent_per_search_and_a_child_per_trial(uri, make_ledger, plain_space):
    ledger = make_ledger()
    log = follow(uri, ledger, "one")
    tell(log, ledger, plain_space, report(2, 9.0), report(4, 8.0), outcome=STOPPED_EARLY)
    tell(log, ledger, plain_space, report(2, 1e6), outcome=DIVERGED)
    tell(log, ledger, plain_space, report(2, 3.0))
    log.close({"best.activation_fid": 8.0}, "FINISHED", ledger.unfinished)

    parent = MlflowClient(uri).get_run(log.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"neuron": "vocal", "trials": "4"}
    assert parent.data.tags["pack.hash"] == "abc"
    assert parent.data.metrics == {"best.activation_fid": 8.0}
    runs = children(uri, log.run_id)
    assert {run.data.tags["neuron"] for run in runs.values()} == {"vocal"}
    assert {run.data.tags["pack.hash"] for run in runs.values()} == {"abc"}
    outcomes = {number: run.data.tags["outcome"] for number, run in runs.items()}
    assert outcomes == {0: "stopped_early", 1: "diverged", 2: "interrupted"}
    assert [runs[n].info.status for n in range(3)] == ["FINISHED", "FINISHED", "KILLED"]
    assert steps(uri, runs[0].info.run_id) == [2, 4]
    assert [runs[n].info.run_name for n in range(3)] == ["t0", "t1", "t2"]
    assert float(runs[0].data.params["lr"]) == ledger[0].settings.lr


def test_nothing_is_logged_twice_after_a_kill(uri, make_ledger, plain_space):
    """The first process logs less than its ledger has, and ends without a word."""
    ledger = make_ledger()
    log = follow(uri, ledger, "two")
    tell(log, ledger, plain_space, report(2, 9.0), report(4, 8.0), outcome=FINISHED)
    tell(log, ledger, plain_space, report(2, 7.0))
    log._queue.put(None)
    log._thread.join()
    ledger.write(1, report(4, 6.0))  # came after MLflow's last word
    tell(_Nobody(), ledger, plain_space, report(2, 5.0), outcome=FINISHED)

    again = make_ledger()
    second = follow(uri, again, "two")
    assert second.run_id == log.run_id
    second.trial_started(again[1])
    again.write(1, report(8, 4.0), FINISHED)
    second.trial_reported(again[1])
    second.trial_ended(again[1])
    second.close({}, "FINISHED", [])

    runs = children(uri, second.run_id)
    assert sorted(runs) == [0, 1, 2]
    assert [steps(uri, runs[n].info.run_id) for n in range(3)] == [[2, 4], [2, 4, 8], [2]]
    assert {run.data.tags["outcome"] for run in runs.values()} == {"finished"}
    third = follow(uri, make_ledger(), "two")
    third.close({}, "FINISHED", [])
    assert [steps(uri, runs[n].info.run_id) for n in range(3)] == [[2, 4], [2, 4, 8], [2]]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("last_words", ["set_terminated", "set_tag"])
def test_a_kill_between_the_last_words_of_a_trial_leaves_it_to_the_resume(
    uri, make_ledger, plain_space, last_words
):
    ledger = make_ledger(file=last_words)
    log = follow(uri, ledger, last_words)

    def killed(*args, **kwargs):
        raise SystemExit

    setattr(log._client, last_words, killed)
    tell(log, ledger, plain_space, report(2, 9.0), outcome=FINISHED)
    log._thread.join()

    again = follow(uri, make_ledger(file=last_words), last_words)
    again.close({}, "FINISHED", [])
    (child,) = children(uri, again.run_id).values()
    assert (child.info.status, child.data.tags["outcome"]) == ("FINISHED", "finished")
    assert steps(uri, child.info.run_id) == [2]


def test_two_searches_do_not_mix(uri, make_ledger, plain_space):
    one, other = make_ledger(file="one"), make_ledger(file="other")
    logs = [follow(uri, ledger, name) for ledger, name in ((one, "three"), (other, "four"))]
    for log, ledger in zip(logs, (one, other), strict=True):
        tell(log, ledger, plain_space, report(2, 9.0), outcome=FINISHED)
        log.close({}, "FINISHED", [])
    assert logs[0].run_id != logs[1].run_id
    assert all(list(children(uri, log.run_id)) == [0] for log in logs)


def test_a_failure_midway_is_said_once_and_the_search_goes_on(uri, make_ledger, plain_space):
    ledger, said = make_ledger(), []
    log = follow(uri, ledger, "five", said)

    def broken(*args, **kwargs):
        raise ConnectionError("gone\nand more")

    log._client.log_batch = broken
    for _ in range(3):
        tell(log, ledger, plain_space, report(2, 9.0), outcome=FINISHED)
    log.close({}, "FINISHED", [])
    assert len(said) == 1
    assert "failed (gone): the search goes on" in said[0]
    assert len(ledger.records) == 3


def test_a_dead_server_is_noticed_in_time():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(UserError, match="no MLflow server answers"):
        tracking.check_server(f"http://127.0.0.1:{port}")
    with (
        socket.create_server(("127.0.0.1", 0)) as deaf,  # accepts, and says nothing
        pytest.raises(UserError, match="no MLflow server answers"),
    ):
        tracking.check_server(f"http://127.0.0.1:{deaf.getsockname()[1]}")
    assert time.monotonic() - begun < 10


def test_a_live_server_is_left_alone():
    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tracking.check_server(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


@pytest.mark.parametrize("uri", ["sqlite:////dev/null/mlflow.db", "nothing://here"])
def test_a_store_that_cannot_be_used_gets_one_line(uri, tmp_path):
    with pytest.raises(UserError, match="cannot be used") as caught:
        tracking.Tracking(uri, tmp_path)
    assert "\n" not in str(caught.value)


def test_where_to_log(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    runs = tmp_path / "runs"
    assert tracking.default_uri(None, runs / "a") == f"sqlite:///{runs}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    assert tracking.default_uri(None, runs / "a") == "http://there"
    assert tracking.default_uri("http://here", runs / "a") == "http://here"
    assert tracking.ui_command("sqlite:////x.db") == "mlflow ui --backend-store-uri sqlite:////x.db"


class _Nobody:
    def trial_started(self, record):
        pass

    trial_reported = trial_ended = trial_started
