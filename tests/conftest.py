"""What several tests share."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from tune_am.am.pack import write_pack
from tune_am.am.reference import collect
from tune_am.vocal.nets import Detector, Generator

pytest_plugins = ["tests.finished_searches"]

LAYERS = ["conv1", "conv2", "conv4", "conv5", "fc7", "fc8", "fc9"]
EXCERPTS = 240


# Searches by the real command, each with a Ray and a dashboard of its own.
WHOLE_SEARCHES = {
    "test_search.py",
    "test_watching.py",
    "test_campaign_search.py",
    "test_library_search.py",
}


@pytest.fixture(scope="module", autouse=True)
def _one_search_at_a_time(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Of two at once, on two processes, each starves the other's dashboard."""
    if request.path.name not in WHOLE_SEARCHES:
        yield
        return
    with (tmp_path_factory.getbasetemp().parent / "searching").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny networks are slower on several threads, and sums depend on how many there are."""
    torch.set_num_threads(1)


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
