"""Optuna's Gaussian process, shown scores that one can be fitted to."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from tune_am.tuning.defaults import STARTUP_TRIALS
from tune_am.tuning.sampling.standing import common_space, ranked, running

# Trials that a process is fitted to at the most, for its time grows with their cube: the best,
# around which the minimum is sought, and others that tell where it is not.
BEST, MOST = 100, 300


class CopulaGP(BaseSampler):
    """`GPSampler` on scores that are replaced by normal quantiles of their ranks.

    Distances span decades, and what a trial that diverged counts with is larger than any: as they
    are, all good settings would look alike to the process. (The Gaussian copula of Salinas, Shen
    and Perrone 2020, arXiv 1909.13595.) Ranks also give stopped trials a place, which have no score
    at the same steps. Constraints that every trial keeps are not modelled.
    """

    def __init__(self, seed: int) -> None:
        self._gp = GPSampler(
            seed=seed, n_startup_trials=STARTUP_TRIALS, warn_independent_sampling=False
        )

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return common_space(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        view = optuna.create_study()
        view.add_trials(shown(study, trial))
        number = view.ask().number
        asked = view.get_trials(deepcopy=False)[number]
        params: dict[str, Any] = self._gp.sample_relative(view, asked, search_space)
        return params

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._gp.sample_independent(study, trial, param_name, param_distribution)


def shown(study: Study, asked: FrozenTrial) -> list[FrozenTrial]:
    """The trials of `study` that a process is fitted to, the lowest being best, and those that run
    meanwhile. Of more than `MOST` these are the `BEST` and an even sample, by ranks, of the
    others."""
    order = ranked(study)
    places = list(range(len(order)))
    if len(order) > MOST:
        others = np.linspace(BEST, len(order) - 1, MOST - BEST).round().astype(int)
        places[BEST:] = others.tolist()
    broken = any(value > 0 for t in order for value in t.constraints.values())
    ended = [
        create_trial(
            state=TrialState.COMPLETE,
            value=NormalDist().inv_cdf((place + 0.5) / len(order)),
            params=t.params,
            distributions=t.distributions,
            constraints=t.constraints if broken else None,
        )
        for place, t in ((place, order[place]) for place in places)
    ]
    return ended + running(study, asked)
