"""MLflow has every trial once, whatever happened."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from reports import report

from tune_am.tuning.folder import RunFolder
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import DIVERGED, FINISHED, STOPPED_EARLY, Listener
from tune_am.tuning.tracking import runs


def follow(
    uri: str,
    ledger,
    search: str,
    said: list[str] | None = None,
    neuron: str = "vocal",
    several: bool = False,
    folder: Path = Path("runs/one"),
) -> runs.Tracking:
    log = runs.Tracking(uri, Path("artifacts"))
    params = {"neuron": neuron, "trials": 4}
    tags = {"pack.hash": "abc", "neuron": neuron, "folder": str(folder)}
    trouble = (said if said is not None else []).append
    log.begin(
        search, "run", params, tags, ledger, lambda record: f"t{record.number}", trouble, several
    )
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


def all_children(uri: str, parent: str):
    client = MlflowClient(uri)
    experiment = client.get_run(parent).info.experiment_id
    return client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")


def children(uri: str, parent: str):
    return {int(run.data.tags[runs.TRIAL]): run for run in all_children(uri, parent)}


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
    tell(Listener(), ledger, plain_space, report(2, 5.0), outcome=FINISHED)

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


def test_a_copied_run_folder_has_a_run_of_its_own_and_a_moved_one_keeps_its(
    uri, tmp_path, make_ledger
):
    def run_of(folder: Path) -> str:
        log = follow(uri, make_ledger(), "three", folder=folder)
        log.close({}, "FINISHED", [])
        assert MlflowClient(uri).get_run(log.run_id).data.tags["folder"] == str(folder)
        return log.run_id

    first, copy, moved = (tmp_path / name for name in ("first", "copy", "moved"))
    RunFolder(first).create({}, "")
    run = run_of(first)
    shutil.copytree(first, copy)
    assert run_of(copy) != run
    assert run_of(first) == run
    copied = run_of(copy)
    first.rename(moved)
    assert run_of(moved) == run
    assert run_of(copy) == copied


def test_a_campaign_of_one_neuron_is_found_again(uri, tmp_path, plain_space):
    ledger = Ledger(tmp_path / "one.journal", "one", 0, neuron="fc8:3")
    for _ in range(2):
        log = follow(uri, ledger, "lone", neuron="fc8:3", several=True)
        tell(log, ledger, plain_space, report(2, 9.0), outcome=FINISHED)
        log.close({}, "FINISHED", [])
    assert len(all_children(uri, log.run_id)) == len(ledger.records) == 2


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


def fail(*args, **kwargs):
    raise ConnectionError("gone\nand more")


def test_what_mlflow_refuses_is_said_once_and_the_rest_is_logged(uri, make_ledger, plain_space):
    ledger, said = make_ledger(), []
    log = follow(uri, ledger, "five", said)
    log._client.log_batch = fail
    for _ in range(3):
        tell(log, ledger, plain_space, report(2, 9.0), outcome=FINISHED)
    log.close({}, "FINISHED", [])
    assert len(said) == 1
    assert "failed (gone): the search goes on" in said[0]
    assert sorted(children(uri, log.run_id)) == [0, 1, 2]
    assert not log.attach((), ("t.json", {}), ("p.png", ()))  # so that a resume comes back to it


def test_what_cannot_be_made_is_not_blamed_on_mlflow(uri, make_ledger):
    said: list[str] = []
    log = follow(uri, make_ledger(), "made", said)
    log.close({}, "FINISHED", [])

    def files():
        raise FileNotFoundError(2, "No such file", "classifier.safetensors")
        yield

    assert not log.attach(files(), ("t.json", {}), ("p.png", ()))
    lacking = "[Errno 2] No such file: 'classifier.safetensors'; resume= tries again"
    assert said == [f"MLflow's run lacks files: {lacking}"]


def test_a_server_that_restarts_gets_all(uri, make_ledger, plain_space, monkeypatch):
    monkeypatch.setattr(runs, "RETRY_SECONDS", 0.01)
    ledger, said, asked = make_ledger(), [], []
    log = follow(uri, ledger, "six", said)
    log_batch, search_runs = log._client.log_batch, log._client.search_runs

    def restarting(*args, **kwargs):
        asked.append(args)
        if len(asked) < 4:
            fail()
        log._client.log_batch = log_batch
        return search_runs(*args, **kwargs)

    log._client.log_batch, log._client.search_runs = fail, restarting
    for _ in range(2):
        tell(log, ledger, plain_space, report(2, 9.0), report(4, 8.0), outcome=FINISHED)
    while len(asked) < 4:
        time.sleep(0.01)
    log.close({}, "FINISHED", [])
    assert (len(said), log._whole) == (1, True)
    made = children(uri, log.run_id)
    assert [steps(uri, made[n].info.run_id) for n in range(2)] == [[2, 4], [2, 4]]
    assert all("lr" in run.data.params and "outcome" in run.data.tags for run in made.values())
    assert MlflowClient(uri).get_run(log.run_id).info.status == "FINISHED"


def test_a_server_that_stays_away_is_caught_up_with_by_a_resume(uri, make_ledger, plain_space):
    ledger, said = make_ledger(file="away"), []
    log = follow(uri, ledger, "seven", said)
    log._client.log_batch = log._client.search_runs = fail
    tell(log, ledger, plain_space, report(2, 9.0), outcome=FINISHED)
    begun = time.monotonic()
    log.close({}, "FINISHED", [])
    assert time.monotonic() - begun < runs.CLOSE_SECONDS
    assert "resume=" in said[0]
    assert not log.attach((), ("t.json", {}), ("p.png", ()))
    again = follow(uri, make_ledger(file="away"), "seven")
    again.close({}, "FINISHED", [])
    (child,) = children(uri, again.run_id).values()
    assert (again.run_id, steps(uri, child.info.run_id)) == (log.run_id, [2])
    assert float(child.data.params["lr"]) == ledger[0].settings.lr
