"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import ray
import torch
from mlflow import MlflowClient
from torch import nn
from xdist.scheduler import LoadFileScheduling

from tune_am.allocator import keep_freed_memory
from tune_am.packs.pack import write_pack
from tune_am.packs.reference import collect
from tune_am.vocal.nets import Detector, Generator

pytest_plugins = ["tests.finished_searches", "tests.vocal.layout_trees"]

LAYERS = ["conv1", "conv2", "conv4", "conv5", "fc7", "fc8", "fc9"]
EXCERPTS = 240


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


@pytest.fixture(scope="session", autouse=True)
def _as_in_a_worker() -> None:
    """Tiny networks are slower on several threads, and sums depend on how many there are."""
    torch.set_num_threads(1)
    keep_freed_memory()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """What a test draws does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture
def own_ray() -> None:
    """A Ray of the user's own, as in a notebook; the next test finds it running."""
    if not ray.is_initialized():
        ray.init(
            address="local",  # whatever else runs on this machine
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )


@pytest.fixture
def no_ray() -> None:
    """No Ray in this process."""
    ray.shutdown()


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow without runs, to be copied: making its tables takes seconds."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(scope="session")
def tiny_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a real pack: tiny networks with random weights, 240 synthetic excerpts."""
    torch.manual_seed(0)
    classifier_config = {"channels": [4, 4, 8, 8], "dense": [16, 8], "shape": [80, 115]}
    generator_config = {"latent": 8, "channels": 16}
    classifier = Detector(**classifier_config).eval()
    generator = Generator(**generator_config).eval()
    # As in a trained pack: log-mel around -5 +- 3, which the detector standardises.
    for network in (classifier, generator):
        network.mean.fill_(-5.0)
        network.std.fill_(3.0)
    # PyTorch's own initialisation shrinks the signal layer by layer until no latent matters.
    for network in (classifier, generator):
        for weight in network.parameters():
            if weight.dim() > 1:
                nn.init.kaiming_normal_(weight)
    # Real data lies where the prior can reach, its tail beyond the prior's own random samples.
    with torch.no_grad():
        excerpts = generator(2 * torch.randn(EXCERPTS, 8)) + torch.randn(EXCERPTS, 80, 115)
    pack = write_pack(
        tmp_path_factory.mktemp("packs") / "tiny",
        name="tiny",
        classifier=classifier,
        classifier_config=classifier_config,
        generator=generator,
        generator_config=generator_config,
        latent=8,
        input={"shape": [80, 115], "units": "log-mel, natural log of max(x, 1e-7)"},
        layers=LAYERS,
        neurons={"vocal": "fc9:0"},
        reference=collect(classifier, LAYERS, excerpts.split(40)),
        about={"licences": "none: random numbers"},
    )
    return pack.path
