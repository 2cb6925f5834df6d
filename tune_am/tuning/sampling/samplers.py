"""What proposes settings: Optuna's samplers, each made for one trial."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from tune_am.am.settings import Settings
from tune_am.tuning.defaults import CMAES, GRID, POPULATION, STARTUP_TRIALS
from tune_am.tuning.sampling.gaussian_process import CopulaGP
from tune_am.tuning.sampling.standing import common_space, placed, ranked
from tune_am.tuning.space import Space, SpaceError

REDRAWN = 20  # draws at most in place of one that its space refuses


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


def draw(
    study: Study,
    space: Space,
    sampler: str,
    *which: int | str,
    trial: Trial | None = None,
) -> tuple[Trial, Settings]:
    """A trial of `study` and the settings that `sampler` proposes for it, as of `sampler_for`.

    Where `space` refuses them, which its rehearsal rarely misses, the trial has failed and another
    is drawn at random. trial: one that was asked for and not drawn. Raises `SpaceError` when it
    refuses `REDRAWN` of them too.
    """
    for attempt in range(REDRAWN + 1):
        if attempt == 0:
            proposing = sampler_for(sampler, *which)
        else:  # which, asked again, would propose the same
            proposing = sampler_for("random", *which, attempt)
        several = len(study.directions) > 1
        study.sampler = _ByPlaces(proposing) if several else proposing
        trial = trial or study.ask()
        try:
            return trial, space.settings(trial)
        except SpaceError as error:
            refused = error
            study.tell(trial, state=TrialState.FAIL)
            trial = None
    raise refused


class _ByPlaces(BaseSampler):
    """A sampler in a search by several objectives: shown the places of trials, it need not know how
    many there are, nor that Optuna's stop no trial of several."""

    def __init__(self, sampler: BaseSampler) -> None:
        self._sampler = sampler

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(*placed(study, trial))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(*placed(study, trial), search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        which = param_name, param_distribution
        return self._sampler.sample_independent(*placed(study, trial), *which)


class _CmaEs(CmaEsSampler):
    """CMA-ES over the numbers that every trial so far has drawn; the rest is drawn at random.

    Stopped trials count with their last score: of those that run to their end there are too few for
    a generation.
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
        return {
            name: distribution
            for name, distribution in common_space(study).items()
            if isinstance(distribution, FloatDistribution | IntDistribution)
        }


class _Nsga2(NSGAIISampler):
    """NSGA-II whose generations are of all trials that ended with a score, in the order of their
    numbers: of those that run to their end there are too few for a second generation."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, population_size=POPULATION)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return common_space(study)

    def get_trial_generation(self, study: Study, trial: FrozenTrial) -> int:
        return len(ranked(study)) // POPULATION

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """The best of all generations before: with one objective no more is left of elitism. Their
        values are their ranks."""
        order = ranked(study)
        before = set(sorted(t.number for t in order)[: generation * POPULATION])
        sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
        best = [t for t in order if t.number in before][:POPULATION]
        return [
            create_trial(value=sign * place, params=t.params, distributions=t.distributions)
            for place, t in enumerate(best)
        ]


_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "gp": CopulaGP,
    CMAES: _CmaEs,
    "random": RandomSampler,
    # The points of a grid are enqueued (`sampling.grid`): nothing is left to propose.
    GRID: RandomSampler,
    "nsga2": _Nsga2,
}
