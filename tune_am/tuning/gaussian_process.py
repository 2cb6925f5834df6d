"""Optuna's Gaussian process, shown scores that one can be fitted to."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial


class CopulaGP(BaseSampler):
    """`GPSampler` on scores that are replaced by normal quantiles of their ranks.

    Distances span decades, and what a trial that diverged counts with is larger than any: as they
    are, all good settings would look alike to the process. (The Gaussian copula of Salinas, Shen
    and Perrone 2020, arXiv 1909.13595.) Constraints that every trial keeps are not modelled.
    """

    def __init__(self, seed: int, n_startup_trials: int) -> None:
        self._gp = GPSampler(
            seed=seed, n_startup_trials=n_startup_trials, warn_independent_sampling=False
        )

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        space: dict[str, BaseDistribution] = self._gp.infer_relative_search_space(study, trial)
        return space

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        view = optuna.create_study(direction=study.direction)
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
    """The trials of `study` that a process is fitted to, and those that run meanwhile."""
    states = (TrialState.COMPLETE, TrialState.RUNNING)
    trials = [
        t for t in study.get_trials(deepcopy=False, states=states) if t.number != asked.number
    ]
    ended = [t for t in trials if t.state == TrialState.COMPLETE]
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
    ranked = sorted(ended, key=lambda t: sign * t.value)
    quantiles = {
        t.number: sign * NormalDist().inv_cdf((place + 0.5) / len(ranked))
        for place, t in enumerate(ranked)
    }
    broken = any(value > 0 for t in ended for value in t.constraints.values())
    return [
        create_trial(
            state=t.state,
            value=quantiles.get(t.number),
            params=t.params,
            distributions=t.distributions,
            constraints=t.constraints if broken and t.state == TrialState.COMPLETE else None,
        )
        for t in trials
    ]
