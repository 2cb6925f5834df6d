"""What proposes settings: Optuna's samplers, each made for one trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from optuna import Study
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.search_space import intersection_search_space
from optuna.trial import FrozenTrial

from tune_am.tuning.defaults import POPULATION, STARTUP_TRIALS
from tune_am.tuning.gaussian_process import CopulaGP


def sampler_for(name: str, *trial: int | str) -> BaseSampler:
    """The sampler called `name` for one trial: `trial` is the search's seed and the trial's number.

    What it proposes follows from these and the trials before, all in the ledger, so a resumed
    search goes on as if it had never been cut off.
    """
    digest = hashlib.sha256("/".join(map(str, trial)).encode()).digest()
    return _SAMPLERS[name](int.from_bytes(digest[:4], "big"))


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(
        seed=seed,
        multivariate=True,
        group=True,  # parameters of a branch are modelled together too
        n_startup_trials=STARTUP_TRIALS,
        constant_liar=True,  # trials that run at the same time keep apart
    )


class _CmaEs(CmaEsSampler):
    """CMA-ES over the numbers that every trial so far has drawn; the rest is drawn at random.

    Stopped trials count with their last score: of those that run to their end there are too few for
    a generation. Optuna's own looks for common parameters among the latter only, and then fails on
    a stopped trial that lacks one.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(
            seed=seed,
            # With the first few the parameters that only some trials have drop out.
            n_startup_trials=STARTUP_TRIALS,
            warn_independent_sampling=False,
            consider_pruned_trials=True,
        )

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        trials = study.get_trials(deepcopy=False)
        common = intersection_search_space(trials, include_pruned=True)
        return {
            name: distribution
            for name, distribution in common.items()
            if isinstance(distribution, FloatDistribution | IntDistribution)
            and not distribution.single()
        }


_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "gp": lambda seed: CopulaGP(seed, STARTUP_TRIALS),
    "cmaes": _CmaEs,
    "random": lambda seed: RandomSampler(seed),
    # The points of a grid are enqueued (`tune_am.tuning.grid`): nothing is left to propose.
    "grid": lambda seed: RandomSampler(seed),
    "nsga2": lambda seed: NSGAIISampler(seed=seed, population_size=POPULATION),
}
