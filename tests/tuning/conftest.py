"""What the tests of the tuning share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tune_am.am.plan import Plan
from tune_am.packs.pack import Pack
from tune_am.tuning import space
from tune_am.tuning.budget import Budget
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.task import task

SOURCE = """
POINTS = [{"lr": 0.05, "l2": 0.1}, {"lr": 0.002, "l2": 0.1}]

def space(trial):
    return {
        "lr": trial.suggest_float("lr", 1e-3, 1.0, log=True),
        "l2": trial.suggest_float("l2", 1e-3, 1.0, log=True),
    }
"""


@pytest.fixture
def plain_space() -> space.Space:
    """lr and l2, two points first."""
    return space.from_source("plain", SOURCE)


@pytest.fixture
def make_ledger(tmp_path: Path) -> Callable[..., Ledger]:
    """Opens the ledger of this test; a second call opens it again, as a resumed search does."""

    def make(name: str = "tiny/vocal/plain/max", seed: int = 0, file: str = "study") -> Ledger:
        return Ledger(tmp_path / f"{file}.journal", name, seed)

    return make


@pytest.fixture
def tiny_task(tiny_pack: Path, tmp_path: Path) -> dict[str, Any]:
    """A task of 4 starts, scored at steps 2, 4, 8."""
    plan = Plan("vocal", starts=4, report_points=(2, 4, 8))
    return task(Pack.load(tiny_pack), plan, tmp_path / "trials")


@pytest.fixture
def make_budget(tiny_task: dict[str, Any]) -> Callable[..., Budget]:
    def make(trials: int, workers: int) -> Budget:
        return Budget(trials, workers, Plan(**tiny_task["plan"]))

    return make


@pytest.fixture(scope="session")
def uri(mlflow_tables: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One MLflow database for all tests."""
    return f"sqlite:///{shutil.copy(mlflow_tables, tmp_path_factory.mktemp('mlflow'))}"
