"""Connecting to a Ray that was started elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tune_am
from tune_am.tuning import cluster

MODE = """
from tune_am.tuning import cluster
cluster._offer_token()
from ray._raylet import AuthenticationMode, get_authentication_mode
print(get_authentication_mode() == AuthenticationMode.TOKEN)
"""


@pytest.mark.parametrize(
    ("has_token", "asked", "shown"),
    [(True, None, True), (True, "disabled", False), (False, None, False)],
)
def test_a_token_is_shown_where_there_is_one(has_token, asked, shown, tmp_path):
    pytest.importorskip("ray._private.authentication.authentication_token_setup")
    if has_token:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("0" * 64)
    environment = {name: value for name, value in os.environ.items() if "RAY_AUTH" not in name}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(Path(tune_am.__file__).parents[1])}
    if asked:
        environment["RAY_AUTH_MODE"] = asked

    done = subprocess.run(
        [sys.executable, "-c", MODE], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == str(shown)
    assert done.stderr == ""


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize(
    ("value", "address"),
    [(None, None), ("head:6379", "head:6379"), ("http://head:8265", None), ("local", None)],
)
def test_a_submitted_job_finds_its_cluster(value, address, monkeypatch):
    if value is None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
    else:
        monkeypatch.setenv("RAY_ADDRESS", value)
    assert cluster.environment_address() == address


@pytest.mark.usefixtures("no_ray")
def test_a_dashboard_that_is_not_up_in_time_is_one_line(monkeypatch):
    """Ray raises the last lines of its log; here those of one that got nowhere."""

    def late(*_, **__):
        raise RuntimeError("\nThe last 20 lines of /tmp/ray/logs/dashboard.log (it contains):\nup")

    monkeypatch.setattr(cluster.ray, "init", late)
    with pytest.raises(tune_am.UserError) as caught:
        cluster.start(1, 0, None)
    assert str(caught.value).startswith("Ray does not start: its dashboard was not up in time; ")
    assert str(caught.value).endswith("(/tmp/ray/logs/dashboard.log says more)")
