"""How much a search spends when nobody says: the one place for it, free of heavy imports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defaults:
    trials: int
    starts: int
    first_point: int
    max_steps: int


# What two cores do with the vocal pack in some seven minutes, about half of them for what follows
# the trials; how fast they are is in bench/README.md.
CPU = Defaults(trials=24, starts=16, first_point=5, max_steps=40)
GPU = Defaults(trials=128, starts=64, first_point=8, max_steps=256)
WORKERS_PER_GPU = 4

# Fresh starts on which the best settings are scored again, and how many settings are; by several
# objectives there is a front to tell.
RESCORE_STARTS = 50
RESCORED = 4
RESCORED_FRONT = 8

# At a rung one trial in this many goes on, those apart that will be ahead.
REDUCTION = 3

# A campaign tries so many times fewer settings on each of its neurons, on average.
CAMPAIGN_TRIALS = 3

# What proposes settings and what stops trials, when nobody says (bench/searchers.py).
SAMPLER = "tpe"
SCHEDULER = "asha"

GRID, CMAES = "grid", "cmaes"
SAMPLERS = (SAMPLER, "gp", CMAES, "random", GRID, "nsga2")
SCHEDULERS = (SCHEDULER, "hyperband", "median", "none")

# Settings tried, be they stopped or of the space's POINTS, before TPE, the GP and CMA-ES begin to
# propose.
STARTUP_TRIALS = 8

# Of NSGA-II, stopped trials included. Optuna's 50 would make a search of some dozens of trials a
# random one.
POPULATION = 8
