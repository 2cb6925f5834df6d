"""How Optuna's trials stand to each other where most are stopped early."""

from __future__ import annotations

import math
from operator import mul

from optuna import Study, create_study
from optuna.distributions import BaseDistribution
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tune_am.tuning.pareto import best_first


def ranked(study: Study) -> list[FrozenTrial]:
    """The trials that ended with a score, the best first, as TPE ranks them: what keeps the
    constraints, then what ran to its end, then what was stopped later, then the score; of several
    objectives as `tune_am.tuning.pareto` has it."""
    signs = [1 if d == StudyDirection.MINIMIZE else -1 for d in study.directions]
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    equals: dict[tuple[float, float], list[FrozenTrial]] = {}  # but for their scores
    for trial in study.get_trials(deepcopy=False, states=states):
        violation = sum(max(0.0, value) for value in trial.constraints.values())
        steps = trial.last_step if trial.state == TrialState.PRUNED else math.inf
        assert steps is not None  # one without a report has failed
        equals.setdefault((violation, -steps), []).append(trial)
    order = []
    for key in sorted(equals):
        trials = equals[key]
        losses = [tuple(map(mul, signs, trial.values)) for trial in trials]
        order += [trials[i] for i in best_first([(0.0, each) for each in losses])]
    return order


def placed(study: Study, asked: FrozenTrial) -> tuple[Study, FrozenTrial]:
    """A study of one objective in which each ended trial of `study` has its place in `ranked` for a
    score, the lowest being best; and `asked` as a trial of it."""
    order = ranked(study)
    places = {trial.number: place for place, trial in enumerate(order)}
    view = create_study()
    for trial in sorted(order, key=lambda trial: trial.number):
        drawn = {"params": trial.params, "distributions": trial.distributions}
        view.add_trial(create_trial(value=places[trial.number], **drawn))
    view.add_trials(running(study, asked))
    number = view.ask().number
    return view, view.get_trials(deepcopy=False)[number]


def running(study: Study, asked: FrozenTrial) -> list[FrozenTrial]:
    """The trials that run while `asked` is drawn."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [
        create_trial(state=trial.state, params=trial.params, distributions=trial.distributions)
        for trial in trials
        if trial.number != asked.number
    ]


def common_space(study: Study) -> dict[str, BaseDistribution]:
    """The parameters that every trial so far has drawn, stopped ones included.

    Optuna's samplers look among finished trials only, and then fail on a stopped one that lacks a
    parameter.
    """
    common = intersection_search_space(study.get_trials(deepcopy=False), include_pruned=True)
    return {name: drawn for name, drawn in common.items() if not drawn.single()}
