"""What several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray
import torch
from mlflow import MlflowClient
from torch import nn

from tune_am.allocator import keep_freed_memory
from tune_am.packs.pack import write_pack
from tune_am.packs.reference import collect
from tune_am.vocal.nets import Detector, Generator

LAYERS = ["conv1", "conv2", "conv4", "conv5", "fc7", "fc8", "fc9"]
EXCERPTS = 240


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
