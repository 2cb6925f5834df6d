"""Searches of the library, on a Ray that the process has already."""

from __future__ import annotations

import ast
import json
import logging
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlflow  # as in a notebook: imported before the first search, which must stay silent
import pytest
import ray

import tune_am
from tune_am import run_search
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.hunt import Single
from tune_am.tuning.session import search
from tune_am.tuning.watching.views import Silent

NOTEBOOK = Path(__file__).parents[1] / "examples" / "vocal.ipynb"
UNUSUAL = {
    "prior": "raw",
    "space": "raw",
    "objective": "kid,layer_fid",
    "sampler": "nsga2",
    "scheduler": "hyperband",
}
SIZES = {"trials": 3, "starts": 3, "max_steps": 2, "workers": 1, "seed": 3}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(mlflow_tables, tmp_path, monkeypatch):
    """With the tables of MLflow."""
    shutil.copy(mlflow_tables, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)


class Events:
    """What a search tells; `then` is done at the first event of the kind `at`."""

    def __init__(self, at: str = "", then: Any = None) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self._at, self._then = at, then

    def __call__(self, name: str, facts: dict[str, Any]) -> None:
        first = name not in self.names
        self.told.append((name, facts))
        if first and name == self._at:
            self._then()

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.told]


def variables() -> dict[str, str]:
    """The environment, but for what PyTorch's compiler and MLflow's telemetry keep there."""
    theirs = ("TORCHINDUCTOR", "_MLFLOW_TELEMETRY")
    return {k: v for k, v in os.environ.items() if not any(name in k for name in theirs)}


@pytest.mark.usefixtures("own_ray")
def test_a_search_interrupted_failed_and_resumed(tiny_pack, monkeypatch, capfd):
    """Ctrl-C in the main thread, a polite kill, time that is up, resumes whose callback and whose
    re-scoring fail, and one from a thread that comes to the end."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in a shell's background job
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = variables()
    level = logging.getLogger(mlflow.__name__).level
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    capfd.readouterr()

    stopped = Events("start", lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        tune_am.search("vocal", pack=tiny_pack, out="run", on_event=stopped, **UNUSUAL, **SIZES)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert stopped.names[0] == "start"
    assert stopped.names[-2:] == ["result", "stopped"]

    # A polite kill does what Ctrl-C does; then the process gets it as if nobody had caught it.
    killed: list[int] = []
    before_it = signal.signal(signal.SIGTERM, lambda number, _: killed.append(number))
    try:
        told = Events("start", lambda: signal.raise_signal(signal.SIGTERM))
        partly = tune_am.search(resume="run", on_event=told)
    finally:
        signal.signal(signal.SIGTERM, before_it)
    assert killed == [signal.SIGTERM]
    assert told.names[-2:] == ["result", "stopped"]
    assert not partly.complete

    # A second Ctrl-C ends it at once, and MLflow does not show it as running.
    def pressed(*_: object) -> None:
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Single, "run", pressed)
        with pytest.raises(KeyboardInterrupt, match=r"to go on: .* --resume .*run$"):
            tune_am.search(resume="run")
    run_id = partly.content["mlflow"]["run_id"]
    assert mlflow.get_run(run_id).info.status == "KILLED"

    told = Events()
    assert capfd.readouterr() == ("", "")
    tune_am.search(resume="run", time_budget=0.01, on_event=told, progress=True)
    assert "time was up before a trial had a score, with 3 trials left." in capfd.readouterr().out
    assert "trial_ended" not in told.names
    assert told.told[-1][0] == "time_up"
    assert told.told[-1][1]["left"] == 3
    assert "--resume" in told.told[-1][1]["resume"]

    def fail() -> None:
        raise ZeroDivisionError("of the caller's own")

    with pytest.raises(ZeroDivisionError, match="of the caller's own"):
        tune_am.search(resume="run", on_event=Events("start", fail))

    # What fails after the trials costs none of them.
    told = Events()
    with monkeypatch.context() as patch:
        patch.setattr(Single, "score_again", lambda *_: fail())
        failed = tune_am.search(resume="run", on_event=told)
    assert [f["trial"] for name, f in told.told if name == "trial_ended"] == [0, 1, 2]
    trouble = next(facts["message"] for name, facts in told.told if name == "trouble")
    assert "scored again: of the caller's own; to try again: python -m tune_am.search" in trouble
    assert not failed.complete
    assert {"kid", "layer_fid", "on_front"} <= failed.best.of.keys()
    run = mlflow.get_run(failed.content["mlflow"]["run_id"])
    assert run.info.status == "FAILED"

    busy = []

    def another() -> None:
        """In the middle of a search there cannot be a second."""
        with pytest.raises(tune_am.UserError, match="a search is running in this process"):
            tune_am.search("vocal", pack=tiny_pack)
        busy.append(True)

    told = Events("start", another)
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(tune_am.search, resume="run", on_event=told).result()
    assert busy
    assert result.complete
    assert "trial_ended" not in told.names
    assert told.names[-2:] == ["result", "report"]
    assert told.told[-2][1]["path"] == str(result.folder / "result.json")
    assert (result.folder / "report" / "report.html").exists()
    assert result.best.ci95 is not None
    assert {name: result.content[name] for name in UNUSUAL} == UNUSUAL
    assert set(result.controls) == {"never_optimised", "random_classifier", "real_vs_real"}
    assert "95 % interval" in result._repr_html_()
    assert result.best in result.front
    assert all(
        {"search_layer_fid", "layer_fid", "kid"} <= found.of.keys() for found in result.front
    )

    # Asked again, it has nothing to do, and nothing was printed all along.
    assert tune_am.search(resume="run").content == result.content
    assert capfd.readouterr() == ("", "")
    assert ray.is_initialized()
    assert variables() == before
    assert logging.getLogger(mlflow.__name__).level == level
    with pytest.raises(tune_am.UserError, match="connected to a Ray already"):
        tune_am.search("vocal", pack=tiny_pack, ray_address="127.0.0.1:1")


@pytest.mark.usefixtures("own_ray")
def test_progress_is_shown_when_asked_for(tiny_pack, capfd):
    cancel = threading.Event()
    cancel.set()
    result = tune_am.search("vocal", pack=tiny_pack, progress=True, cancel=cancel, **SIZES)
    shown = capfd.readouterr().out
    assert "neuron         vocal, maximised" in shown
    assert "No trial got as far as a score." in shown
    assert f"To go on: python -m tune_am.search --resume {result.folder}" in shown
    with pytest.raises(tune_am.UserError, match="no trial got as far as a score"):
        _ = result.best
    assert "No trial got as far as a score." in result._repr_html_()


def test_a_cancel_that_fails_stops_the_search_in_order(monkeypatch):
    """Its error is raised once the search has come to its end."""
    ended = []

    def session(config, given, line, view, cancelled):
        assert cancelled()
        assert cancelled()
        ended.append(True)

    def fail() -> bool:
        raise ZeroDivisionError("of the caller's own")

    monkeypatch.setattr(run_search, "search", session)
    with pytest.raises(ZeroDivisionError, match="of the caller's own"):
        tune_am.search("vocal", cancel=SimpleNamespace(is_set=fail))
    assert ended


@pytest.mark.usefixtures("own_ray")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError(), ZeroDivisionError),
        (OSError(28, "No space left on device", "result.json"), tune_am.UserError),
    ],
)
def test_mlflow_hears_of_a_search_that_breaks_off(error, told, tiny_pack, tmp_path):
    """By whatever error, here of the view; what is no mistake of ours is one line."""

    class Broken(Silent):
        def event(self, name: str, text: str, facts: Any = None) -> None:
            if name == "start":
                raise error

    config = SearchConfig("vocal", str(tiny_pack), out="run")
    line = (
        r"^$|the search broke off: \[Errno 28\] No space left on device: 'result.json'; to go on: p"
    )
    with pytest.raises(told, match=line):
        search(config, frozenset(), "", lambda ledger, trials, _: Broken(ledger, trials))
    assert not any(thread.name == "mlflow" for thread in threading.enumerate())
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    runs = mlflow.MlflowClient(uri).search_runs(["1"])
    assert [run.info.status for run in runs] == ["FAILED"]


@pytest.mark.usefixtures("own_ray")
def test_the_notebook_runs(shown_pack):
    """Its cells in order, as small as can be; the last expression of each can be shown."""
    pytest.importorskip("IPython", reason="IPython is not installed")
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    namespace: dict[str, Any] = {}
    kinds: list[str] = []
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        assert not any(o["output_type"] == "error" for o in cell["outputs"])
        source = "".join(cell["source"])
        if "parameters" in cell["metadata"].get("tags", ()):
            assert "STARTS, STEPS, TRIALS = " in source
            source = f'PACK, NEURON, STARTS, STEPS, TRIALS = {str(shown_pack)!r}, "vocal", 2, 2, 2'
        *lines, last = ast.parse(source).body
        exec(compile(ast.Module(lines, []), "cell", "exec"), namespace)
        if not isinstance(last, ast.Expr):
            exec(compile(ast.Module([last], []), "cell", "exec"), namespace)
            continue
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)
        shows = [getattr(value, f"_repr_{kind}_", None) for kind in ("html", "png")]
        shown = [text for show in shows if show is not None and (text := show()) is not None]
        assert shown or value is None or isinstance(value, tune_am.Settings)
        kinds.append(type(value).__name__)
    assert set(kinds) == {
        "Examples",
        "SearchResult",
        "HouseFigure",
        "Audio",
        "Settings",
        "NoneType",
    }
    assert namespace["result"].complete
    assert NOTEBOOK.stat().st_size < 500_000
