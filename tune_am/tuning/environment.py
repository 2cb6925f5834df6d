"""What Ray, Tune and MLflow read from the environment; the screen is ours, and so is Ctrl-C."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from tune_am.errors import UserError

# Kept as the user has them, if they are set to something.
_MLFLOW_LEVEL = "MLFLOW_LOGGING_LEVEL"
_DEFAULTS = {
    # What is explained is nobody else's business.
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Of a store that fails it logs pages of tracebacks as errors; `tracking` says it in a line.
    _MLFLOW_LEVEL: "CRITICAL",
    # A server that stops answering must not hold up the end of a search.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_NEEDED = {
    "RAY_AIR_NEW_OUTPUT": "0",  # the old output engine can be silent
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # what they would write is in the ledger
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # a search is resumed from its ledger
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

# Set or taken away elsewhere, for Ray (`cluster`, `run`).
_ELSEWHERE = ("RAY_ADDRESS", "RAY_AUTH_MODE", "TUNE_MAX_PENDING_TRIALS_PG")


def prepare() -> None:
    """Set it. Workers inherit it from a Ray that is started afterwards."""
    for name, value in _DEFAULTS.items():
        os.environ[name] = os.environ.get(name) or value
    os.environ.update(_NEEDED)


@contextmanager
def prepared() -> Iterator[None]:
    """Set it, and leave it as it was: the process may be somebody's notebook. Raises `UserError`
    for a level of MLflow's that it would not start with."""
    if (asked := os.environ.get(_MLFLOW_LEVEL)) and asked.upper() not in _LEVELS:
        raise UserError(f"{_MLFLOW_LEVEL}={asked}: must be one of {', '.join(_LEVELS)}, or unset")
    before = {name: os.environ.get(name) for name in (*_DEFAULTS, *_NEEDED, *_ELSEWHERE)}
    prepare()
    # MLflow reads its variable when it is imported, which may be long ago or not yet.
    mlflow, tune = logging.getLogger("mlflow"), logging.getLogger("ray.tune.tune")
    levels = {mlflow: mlflow.level or logging.INFO, tune: tune.level}
    mlflow.setLevel(os.environ[_MLFLOW_LEVEL].upper())
    tune.setLevel(logging.CRITICAL)  # it lists the trials that failed, by names of its own
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
