"""Which process gets which tests, and what they share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

SHARED = ("tests.fixtures", "tests.finished_searches", "tests.vocal.layout_trees")

# Whole searches, for one process: they take turns on one Ray, or have one each, with a dashboard;
# of two of those at once, each would starve the other's.
SEARCHES = {
    "test_campaign_search.py",
    "test_library_search.py",
    "test_nodes.py",
    "test_run.py",
    "test_search.py",
    "test_watching.py",
}


# Servers of the user's own are none of the tests' business.
for name in (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_EXPERIMENT_ID",
    "RAY_ADDRESS",
):
    os.environ.pop(name, None)

# Ray's workers give way to whatever else runs; beside the other half of the tests they starve.
os.environ.setdefault("RAY_worker_niceness", "0")


class _SearchesInARow(LoadFileScheduling):
    """A file's tests share fixtures, so they stay with one process; so do all whole searches."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "searches" if Path(file).name in SEARCHES else file


def pytest_configure(config: pytest.Config) -> None:
    # They load PyTorch, Ray and MLflow: six seconds that xdist's first process, which runs no test,
    # would keep the others waiting for.
    if hasattr(config, "workerinput") or config.getoption("dist", "no") == "no":
        for name in SHARED:
            config.pluginmanager.import_plugin(name)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _SearchesInARow(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole searches first: they are the longest that one process has to do. Of them first those
    that take turns on one Ray, which the others shut down."""
    items.sort(
        key=lambda item: (
            item.path.name not in SEARCHES,
            "own_ray" not in getattr(item, "fixturenames", ()),
        )
    )
