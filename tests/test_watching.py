"""A search as its watchers see it: Ray's dashboard, Prometheus and Optuna's dashboard.

One real search, read of while it runs. Prometheus is Debian's package `prometheus`.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from ray._private.ray_constants import DEFAULT_DASHBOARD_AGENT_LISTEN_PORT

import tune_am
from tune_am.tuning.record import has_diverged
from tune_am.tuning.watching import metrics

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
TRIALS = 500  # more than there is time for: the search is stopped when enough was seen
PATIENCE = 180  # seconds; a machine may be busy
TOKEN = uuid.uuid4().hex  # what the Ray dashboard asks for; not the user's own


class Watched:
    """A search that runs, and what it has said."""

    def __init__(self, pack: Path, folder: Path, scratch: Path) -> None:
        self.scratch = scratch  # Ray's own files
        self.run = folder / "run"
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "PYTHONPATH": str(Path(tune_am.__file__).parents[1]),
            "OMP_NUM_THREADS": "1",
            "RAY_TMPDIR": str(scratch),
            "RAY_metrics_report_interval_ms": "1000",
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - unlike a pipe, never full
        # Trials of half a second or so: long enough to be seen running.
        asked = f"--neuron vocal --pack {pack} --out {self.run} --workers 1 --json"
        sizes = f"--trials {TRIALS} --starts 8 --max-steps 160"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tune_am.search", *asked.split(), *sizes.split()],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # a group of its own
        )
        self.events: list[dict[str, Any]] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if event["event"] == kind]

    def until_read(self, kind: str) -> list[dict[str, Any]]:
        """The events of a kind, all of them: of a search that has ended."""
        self._reader.join(PATIENCE)
        return self.all(kind)

    def until(self, what: Callable[[], Any]) -> Any:
        """What `what` returns as soon as it is neither empty nor fails."""
        deadline, last = time.monotonic() + PATIENCE, None
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.errors()
            try:
                if last := what():
                    return last
            except (OSError, ValueError, LookupError) as error:  # not there yet
                last = error
            time.sleep(0.3)
        raise AssertionError(f"not seen within {PATIENCE} s: {last!r}")

    def stop(self) -> int:
        """As Ctrl-C in a terminal does, to the whole group; the exit status."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def search(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One search for all tests below, which read of it what they want while it runs."""
    until_free(DEFAULT_DASHBOARD_AGENT_LISTEN_PORT)
    scratch = Path(tempfile.mkdtemp(prefix="am", dir="/tmp"))  # short: sockets lie in it
    # As `ray start` leaves it, which may be somebody else's: a search begins a Ray of its own.
    (scratch / "ray").mkdir()
    (scratch / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    watched = Watched(tiny_pack, tmp_path_factory.mktemp("watched"), scratch)
    try:
        watched.until(lambda: len(watched.all("trial_ended")) >= 1)
        yield watched
    finally:
        watched.stop()
        shutil.rmtree(scratch, ignore_errors=True)


def until_free(port: int) -> None:
    """Wait until nobody listens there any more. The agent of a Ray that another test killed lives
    on for half a minute, and has the port without which this one's shows no logs."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.3)


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def fetch(url: str, **query: Any) -> str:
    address = f"{url}?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        text: str = answer.read().decode()
        return text


def get(url: str, **query: Any) -> Any:
    return json.loads(fetch(url, **query))


def test_the_ray_dashboard_names_workers_and_logs(search):
    url = search.all("start")[0]["dashboard"]
    actors = get(f"{url}/api/v0/actors", detail=True)["data"]["result"]["result"]
    assert {actor["repr_name"] for actor in actors if actor["state"] == "ALIVE"} == {"vocal-max"}

    def tasks() -> set[str]:
        found = get(f"{url}/api/v0/tasks")["data"]["result"]["result"]
        return {task["name"] for task in found}

    search.until(lambda: "vocal-max.train" in tasks())  # told of every second or so
    node = get(f"{url}/api/v0/nodes")["data"]["result"]["result"][0]["node_id"]
    # Ray's agent for logs is the last of its parts to be up.
    asked = {"node_id": node, "glob": "*trial*"}
    logs = search.until(lambda: get(f"{url}/api/v0/logs", **asked))["data"]["result"]
    names = sorted(name for group in logs.values() for name in group)
    settings = next(e["settings"] for e in search.all("trial_started") if e["trial"] == 0)
    assert names[0].startswith(f"trial_0000_vocal-max_lr={settings['lr']:g}_l2=")
    reports = [event for event in search.all("trial_reported") if event["trial"] == 0]
    text = fetch(f"{url}/api/v0/logs/file", node_id=node, filename=names[0], lines=-1)
    for event in reports:
        assert f"step {event['step']:g}, activation_fid {event['activation_fid']:.4g}" in text


@contextmanager
def serving(*command: str | Path) -> Iterator[None]:
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.terminate()
        server.wait(20)


def test_prometheus_has_data_for_every_panel(search, tmp_path):
    """The repository's own configuration, but for where Ray keeps its files and how often."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no Prometheus here: apt-get install prometheus")
    config = (DASHBOARDS / "prometheus.yml").read_text(encoding="utf-8")
    for theirs, ours in (
        ("- /tmp/ray/", f"- {search.scratch}/ray/"),
        ("scrape_interval: 5s", "scrape_interval: 1s"),
        ("scrape_timeout: 4s", "scrape_timeout: 1s"),
        ("refresh_interval: 5s", "refresh_interval: 1s"),
    ):
        assert config.count(theirs) == 1
        config = config.replace(theirs, ours)
    file, port = tmp_path / "prometheus.yml", free_port()
    file.write_text(config, encoding="utf-8")
    panels = json.loads((DASHBOARDS / "grafana/dashboards/tune-am.json").read_text())["panels"]
    url = f"http://127.0.0.1:{port}/api/v1"

    def ask(query: str) -> list[dict[str, Any]]:
        for variable in ("$neuron", "$direction"):
            query = query.replace(variable, ".*")
        answer = get(f"{url}/query", query=query)
        assert answer["status"] == "success"
        rows: list[dict[str, Any]] = answer["data"]["result"]
        return [row for row in rows if math.isfinite(float(row["value"][1]))]

    data = f"--storage.tsdb.path={tmp_path / 'data'}"
    listen = f"--web.listen-address=127.0.0.1:{port}"
    with serving(program, f"--config.file={file}", data, listen):
        for panel in panels:
            for target in panel["targets"]:
                if panel["title"] == "GPUs" and not Path("/dev/nvidiactl").exists():
                    search.until(lambda: ask("up"))
                    assert ask(target["expr"]) == []
                else:
                    rows = search.until(lambda query=target["expr"]: ask(query))
                    named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
                    named -= {metrics.UNIT}  # of campaigns; empty here, which Prometheus leaves out
                    assert all(named <= set(row["metric"]) for row in rows), panel["title"]
        # And the values are the search's own.
        (best,) = ask(metrics.exported(metrics.BEST_SCORE))
        exported = pytest.approx(float(best["value"][1]))

        def lowest() -> list[float]:
            """After each report; that of the gauge may be read a moment later than the gauge."""
            scores = [event["activation_fid"] for event in search.all("trial_reported")]
            return list(itertools.accumulate(scores, min))

        search.until(lambda: exported in lowest())
        (total,) = ask(f"sum({metrics.exported(metrics.TRIALS)})")
        assert float(total["value"][1]) == TRIALS
        neurons = get(f"{url}/label/{metrics.NEURON}/values")["data"]
        assert neurons == ["vocal"]
        trials = get(f"{url}/label/{metrics.TRIAL}/values")["data"]
        numbers = {int(number) for number in trials}
        assert numbers
        search.until(lambda: numbers <= {e["trial"] for e in search.all("trial_started")})


def test_optunas_dashboard_follows_the_journal(search):
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    program, journal = shlex.split(search.all("start")[0]["optuna_dashboard"])
    beside = Path(sys.executable).with_name(program)  # of this environment, active or not
    port = free_port()
    url = f"http://127.0.0.1:{port}/api/studies"
    with serving(beside, journal, "--port", str(port), "--server", "wsgiref"):
        (study,) = search.until(lambda: get(url)["study_summaries"])
        assert study["study_name"] == "tiny/vocal/default/max"

        def trials() -> list[dict[str, Any]]:
            detail = get(f"{url}/{study['study_id']}")
            assert detail["objective_names"] == ["activation_fid"]
            found: list[dict[str, Any]] = detail["trials"]
            return found

        def running() -> list[dict[str, Any]]:
            now = trials()
            return now if any(trial["state"] == "Running" for trial in now) else []

        first = search.until(running)
        later = search.until(lambda: (now := trials())[len(first) :] and now)  # live
        assert search.stop() == 130
        after = {trial["number"]: trial for trial in trials()}
        assert len(after) >= len(later)
    told = {event["trial"]: event for event in search.all("trial_ended")}
    settings = {event["trial"]: event["settings"] for event in search.all("trial_started")}
    states = {"finished": {"Complete"}, "stopped_early": {"Pruned"}}
    states["diverged"] = {"Complete", "Pruned"}  # the latter where it has a score from before
    for number, event in told.items():
        trial = after[number]
        assert trial["state"] in states[event["outcome"]]
        params = {param["name"]: param["param_external_value"] for param in trial["params"]}
        assert float(params["lr"]) == pytest.approx(settings[number]["lr"])
        reports = [e for e in search.all("trial_reported") if e["trial"] == number]
        assert [(v["step"], v["value"]) for v in trial["intermediate_values"]] == [
            (e["step"], pytest.approx(e["activation_fid"])) for e in reports if not has_diverged(e)
        ]
        if event["outcome"] == "finished":
            assert trial["values"] == [pytest.approx(event["activation_fid"])]


def test_stopped_it_keeps_what_it_found_and_says_how_to_go_on(search):
    assert search.stop() == 130
    (stopped,) = search.until_read("stopped")
    assert stopped["resume"] == f"python -m tune_am.search --resume {search.run}"
    partial = json.loads((search.run / "result.json").read_text())
    assert partial["complete"] is False
    assert partial["best"]["ci95"] is None
    assert not (search.run / "report").exists()
