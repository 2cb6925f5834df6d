"""How much a search spends."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import torch

from tune_am.am.device import chosen_device
from tune_am.am.plan import Plan, report_points
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import CAMPAIGN_TRIALS, CPU, GPU, GRID, SCHEDULER, WORKERS_PER_GPU
from tune_am.tuning.space import Space


@dataclass(frozen=True)
class Budget:
    """trials: settings to try. workers: trials at a time, on `gpus` GPUs if any. scheduler: what
    stops trials early, a name of `tune_am.tuning.schedulers`."""

    trials: int
    workers: int
    plan: Plan
    gpus: int = 0
    scheduler: str = SCHEDULER

    @property
    def share(self) -> float:
        """Of a GPU, for each worker: the largest at which all workers fit."""
        return 1 / math.ceil(self.workers / self.gpus) if self.gpus else 0.0

    @property
    def resources(self) -> dict[str, float]:
        """What each worker holds, in Ray's words."""
        return {"cpu": 1, "gpu": self.share} if self.share else {"cpu": 1}


def budget_for(
    config: SearchConfig, space: Space, neuron: str, neurons: int | None = None
) -> Budget:
    """What the command line says, else the space, else the device's defaults.

    neurons: how many a campaign is over; None is the search on one.
    """
    device = chosen_device(config.device)
    defaults = GPU if device == "cuda" else CPU
    if space.report_points is None:
        max_steps = config.max_steps or defaults.max_steps
        points = report_points(defaults.first_point, max_steps)
    else:
        max_steps = config.max_steps or space.report_points[-1]
        points = (*(point for point in space.report_points if point < max_steps), max_steps)
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    workers = config.workers or (gpus * WORKERS_PER_GPU or _cores())
    trials = space.trials or defaults.trials
    if neurons is not None:  # each learns from the others
        trials = math.ceil(trials / CAMPAIGN_TRIALS)
    trials = config.trials or trials
    if config.sampler == GRID:  # has an end
        trials = min(trials, len(space.points))
    return Budget(
        trials=trials * (neurons or 1),
        workers=workers,
        plan=Plan(
            neuron=neuron,
            direction=config.direction,
            starts=config.starts or space.starts or defaults.starts,
            report_points=points,
            seed=config.seed,
            device=device,
            objective=config.objective,
            trust_code=config.trust_code,
        ),
        gpus=min(gpus, workers),
        scheduler=config.scheduler or (SCHEDULER if space.early_stopping else "none"),
    )


def _cores() -> int:
    """Cores that this process may use: fewer than the machine's in a container or a job."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
