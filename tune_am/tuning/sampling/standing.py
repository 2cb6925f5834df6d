"""How Optuna's trials stand to each other where most are stopped early."""

from __future__ import annotations

import math

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


def ranked(study: Study) -> list[FrozenTrial]:
    """The trials that ended with a score, the best first, as TPE ranks them: what keeps the
    constraints, then what ran to its end, then what was stopped later, then the score."""
    sign = 1 if study.direction == StudyDirection.MINIMIZE else -1

    def standing(trial: FrozenTrial) -> tuple[float, float, float]:
        violation = sum(max(0.0, value) for value in trial.constraints.values())
        if trial.state == TrialState.COMPLETE:
            assert trial.value is not None
            return violation, -math.inf, sign * trial.value
        steps = trial.last_step
        assert steps is not None  # one without a report has failed
        return violation, -steps, sign * trial.intermediate_values[steps]

    states = (TrialState.COMPLETE, TrialState.PRUNED)
    return sorted(study.get_trials(deepcopy=False, states=states), key=standing)


def common_space(study: Study) -> dict[str, BaseDistribution]:
    """The parameters that every trial so far has drawn, stopped ones included.

    Optuna's samplers look among finished trials only, and then fail on a stopped one that lacks a
    parameter.
    """
    common = intersection_search_space(study.get_trials(deepcopy=False), include_pruned=True)
    return {name: drawn for name, drawn in common.items() if not drawn.single()}
