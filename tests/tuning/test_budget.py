"""How much a search spends."""

from __future__ import annotations

import pytest
import torch

from tune_am.errors import UserError
from tune_am.tuning.budget import budget_for
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import CPU, GPU


@pytest.fixture
def gpus(monkeypatch):
    """A machine with as many GPUs as the test says."""

    def have(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


def test_without_a_gpu(gpus, plain_space):
    gpus(0)
    budget = budget_for(SearchConfig("vocal"), plain_space, "vocal")
    assert (budget.trials, budget.plan.starts) == (CPU.trials, CPU.starts)
    assert budget.plan.report_points[-1] == CPU.max_steps
    assert (budget.plan.device, budget.gpus, budget.share) == ("cpu", 0, 0)
    with pytest.raises(UserError, match="PyTorch sees no GPU"):
        budget_for(SearchConfig("vocal", device="cuda"), plain_space, "vocal")


@pytest.mark.parametrize(
    ("count", "workers", "share"), [(1, None, 1 / 4), (2, 3, 1 / 2), (3, 7, 1 / 3), (4, 1, 1)]
)
def test_workers_share_gpus_so_that_all_fit(gpus, plain_space, count, workers, share):
    gpus(count)
    budget = budget_for(SearchConfig("vocal", workers=workers), plain_space, "vocal")
    assert budget.plan.device == "cuda"
    assert budget.share == share
    assert budget.gpus * int(1 / share) >= budget.workers
    assert budget.trials == GPU.trials


def test_the_gpus_are_those_of_the_ray_that_runs(gpus, plain_space):
    """With the driver's one card alone, 32 workers would be packed onto one of eight."""
    gpus(1)
    budget = budget_for(SearchConfig("vocal", workers=32), plain_space, "vocal")
    assert budget.on_ray(8).resources == {"cpu": 1, "gpu": 1 / 4}
    with pytest.raises(UserError, match=r"this Ray has no GPU.*device='cpu'"):
        budget.on_ray(0)
    gpus(0)
    budget = budget_for(SearchConfig("vocal", workers=2), plain_space, "vocal")
    assert budget.on_ray(8) == budget


def test_a_gpu_can_be_left_alone(gpus, plain_space):
    gpus(1)
    budget = budget_for(SearchConfig("vocal", device="cpu"), plain_space, "vocal")
    assert (budget.plan.device, budget.share) == ("cpu", 0)


def test_the_steps_asked_for_end_the_report_points(gpus, plain_space):
    gpus(0)
    budget = budget_for(SearchConfig("vocal", max_steps=20), plain_space, "vocal")
    assert budget.plan.report_points == (5, 10, 20)
