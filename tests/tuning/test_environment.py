"""What a search finds set, and leaves as it was."""

from __future__ import annotations

import logging
import os

import pytest

from tune_am.errors import UserError
from tune_am.tuning.environment import prepared

LEVEL = "MLFLOW_LOGGING_LEVEL"
NAMES = ("mlflow.store.db.utils", "ray.tune.tune")  # both log as errors what is told in a line


def test_what_libraries_log_of_failures_is_kept_off_the_screen_meanwhile(monkeypatch):
    monkeypatch.delenv(LEVEL, raising=False)
    monkeypatch.setattr(logging.getLogger("mlflow"), "level", logging.INFO)
    assert all(logging.getLogger(name).isEnabledFor(logging.ERROR) for name in NAMES)
    with prepared():
        assert not any(logging.getLogger(name).isEnabledFor(logging.ERROR) for name in NAMES)
    assert all(logging.getLogger(name).isEnabledFor(logging.ERROR) for name in NAMES)
    assert LEVEL not in os.environ
    monkeypatch.setenv(LEVEL, "debug")
    with prepared():
        assert logging.getLogger("mlflow").level == logging.DEBUG


def test_an_empty_level_of_mlflow_s_is_none(monkeypatch):
    monkeypatch.setenv(LEVEL, "")
    with prepared():
        assert os.environ[LEVEL] == "CRITICAL"
    assert os.environ[LEVEL] == ""


@pytest.mark.parametrize("level", ["10", "foo"])
def test_a_level_that_mlflow_would_not_start_with_gets_one_line(level, monkeypatch):
    monkeypatch.setenv(LEVEL, level)
    with pytest.raises(UserError, match=f"{LEVEL}={level}: must be one of DEBUG, INFO"), prepared():
        pass
