"""Where MLflow keeps runs: found, made, shared, and said in one line where it cannot be."""

from __future__ import annotations

import base64
import http.server
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tune_am.errors import UserError
from tune_am.tuning.tracking import runs, store

TOGETHER = """
import os, pathlib, sys
import mlflow.store.tracking.sqlalchemy_store  # once, before the three are made: it takes seconds
from tune_am.tuning.tracking.store import connect
for _ in range(3):
    if os.fork() == 0:
        connect(sys.argv[1], pathlib.Path("artifacts"))
        os._exit(0)
sys.exit(any(os.wait()[1] for _ in range(3)))
"""


def test_searches_that_start_together_share_a_fresh_database(tmp_path):
    uri = f"sqlite:///{tmp_path / 'runs' / 'mlflow.db'}"
    ran = subprocess.run([sys.executable, "-c", TOGETHER, uri], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_a_folder_s_name_may_have_letters_that_mean_something_in_an_address(tmp_path):
    run = tmp_path / "My%20Drive" / "a b" / "ü#x" / "what?" / "vocal-1"
    run.mkdir(parents=True)
    uri = store.default_uri(None, run)
    log = runs.Tracking(uri, run)
    assert log.experiment == store.EXPERIMENT
    assert {file.name for file in run.parent.iterdir()} >= {"mlflow.db", "mlflow.db.lock"}


def test_the_experiment_may_be_named_by_its_id(uri, monkeypatch):
    identity = MlflowClient(uri).create_experiment("theirs")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", identity)
    log = runs.Tracking(uri, Path("artifacts"))
    assert (log.experiment, log._experiment_id) == ("theirs", identity)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "98765")
    with pytest.raises(UserError, match="98765"):
        runs.Tracking(uri, Path("artifacts"))


def test_an_experiment_that_another_search_makes_first_is_used(uri, monkeypatch):
    """A server has no lock."""
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "contested")
    look_up, looks = MlflowClient.get_experiment_by_name, []

    def late(client, name):
        looks.append(name)
        if len(looks) > 1:
            return look_up(client, name)
        client.create_experiment(name)
        return None

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", late)
    assert runs.Tracking(uri, Path("artifacts")).experiment == "contested"


@pytest.mark.parametrize("check", [store.check_server, lambda uri: runs.Tracking(uri, Path())])
def test_a_dead_server_gets_one_line_without_its_password(check, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        socket.socket() as unused,
        socket.create_server(("127.0.0.1", 0)) as deaf,  # accepts, and says nothing
    ):
        unused.bind(("127.0.0.1", 0))
        for dead in (unused, deaf):
            address = f"127.0.0.1:{dead.getsockname()[1]}"
            with pytest.raises(UserError) as caught:
                check(f"http://me:secret@{address}")
            said = str(caught.value)
            assert said.startswith(f"no MLflow server answers at http://***@{address} (")
            assert "secret" not in said
            assert "\n" not in said


def test_a_server_is_asked_with_the_password_of_its_address():
    asked = []

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.headers["Authorization"])
            self.send_response(200 if asked[-1] else 401)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        store.check_server(f"http://me:secret@127.0.0.1:{server.server_port}")
        server.shutdown()
    assert asked == [f"Basic {base64.b64encode(b'me:secret').decode()}"]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://me:se@cret@host:5000/a@b", "https://***@host:5000/a@b"),
        ("postgresql://me:secret@host/db", "postgresql://***@host/db"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////home/me@here/mlflow.db", "sqlite:////home/me@here/mlflow.db"),
        ("/runs/a@b", "/runs/a@b"),
    ],
)
def test_an_address_is_shown_without_who_asks(uri, shown):
    assert store.redacted(uri) == shown
    assert "secret" not in store.ui_command(uri)


@pytest.mark.parametrize("uri", ["sqlite:////dev/null/mlflow.db", "nothing://here"])
def test_a_store_that_cannot_be_used_gets_one_line(uri, tmp_path):
    with pytest.raises(UserError, match="cannot be used") as caught:
        runs.Tracking(uri, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_gets_one_line(tmp_path):
    """MLflow takes none since 3.13, and says so in six."""
    with pytest.raises(UserError) as caught:
        runs.Tracking((tmp_path / "mlruns").as_uri(), tmp_path)
    assert "folders are no longer taken; mlflow_uri= takes sqlite:///PATH" in str(caught.value)
    assert len(str(caught.value)) < 200 + len(str(tmp_path))


def test_where_to_log(monkeypatch, tmp_path):
    runs = tmp_path / "runs"
    assert store.default_uri(None, runs / "a") == f"sqlite:///{runs}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    assert store.default_uri(None, runs / "a") == "http://there"
    assert store.default_uri("http://here", runs / "a") == "http://here"
    assert store.ui_command("sqlite:////x.db") == "mlflow ui --backend-store-uri sqlite:////x.db"


def test_a_database_is_the_same_from_another_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = store.default_uri("sqlite:///mine.db?timeout=3", tmp_path / "runs" / "a")
    assert found == f"sqlite:///{tmp_path}/mine.db?timeout=3"
    for uri in (found, "sqlite://", "sqlite:///:memory:", "postgresql:///mine"):
        assert store.absolute(uri) == uri
