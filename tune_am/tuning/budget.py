"""How much a search spends."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from joblib import cpu_count

from tune_am.am.plan import Plan, report_points
from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.packs.device import chosen_device
from tune_am.tuning.config import SearchConfig
from tune_am.tuning.defaults import CAMPAIGN_TRIALS, CPU, GPU, GRID, SCHEDULER, WORKERS_PER_GPU
from tune_am.tuning.space import Space


@dataclass(frozen=True)
class Budget:
    """trials: settings to try. workers: trials at a time, on `gpus` GPUs if any. scheduler: what
    stops trials early, a name of `tune_am.tuning.early_stopping.schedulers`."""

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
    def spent_on(self) -> dict[str, Any]:
        """What a resumed search keeps, whatever its device and that device's defaults."""
        plan = self.plan
        points = list(plan.report_points)
        return {"trials": self.trials, "starts": plan.starts, "report_points": points}

    def as_begun(self, spent_on: dict[str, Any], trials: int | None = None) -> Budget:
        """This budget, spent as that of the search that is resumed; trials: unless so many now."""
        starts, points = spent_on["starts"], tuple(spent_on["report_points"])
        plan = replace(self.plan, starts=starts, report_points=points)
        return replace(self, plan=plan, trials=trials or spent_on["trials"])

    def on_ray(self, gpus: int) -> Budget:
        """This budget on a Ray that has so many GPUs, which may be those of other machines."""
        if self.plan.device != "cuda":
            return self
        if gpus == 0:
            raise UserError(
                "this Ray has no GPU, and no worker would ever start: use "
                f"{option('device', 'cpu')}, or a Ray that has one"
            )
        return replace(self, gpus=min(gpus, self.workers))

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
    # Cores that this process may use: fewer than the machine's in a container or a job.
    workers = config.workers or (gpus * WORKERS_PER_GPU or cpu_count())
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
