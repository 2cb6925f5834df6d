"""Which settings mattered."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution

from tune_am.am.objectives import Objective
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Record
from tune_am.tuning.space import quiet_optuna

# Fewer trials say nothing about any setting; more cost minutes, and say no more.
FEWEST, MOST = 8, 300

# Of the largest, the least score that is told from none, where it is a square.
_LEAST = 1e-12


def importances(ledger: Ledger) -> dict[str, float]:
    """Share of each setting in how much the scores vary, the largest first, sum 1.

    Optuna's fANOVA over the settings as the ascent had them, a branch that was not drawn at its
    default; its other evaluator, PED-ANOVA, takes the few draws of a rare branch for a finding.
    Trials can only be compared at equal steps, so each counts with its score at the last report
    point that at least half of them reached, and those that did not with their last; what breaks a
    constraint is as bad as the worst of the others. Numbers are taken by rank and scores by
    logarithm, for both span decades; KID, which may be below 0, by its root. Of many trials the
    best half of `MOST` and as many of the others count. Empty where there are fewer than `FEWEST`
    trials, or nothing varies.
    """
    records = _some(ledger.scored)
    if len(records) < FEWEST:
        return {}
    step = sorted(record.step for record in records)[len(records) // 2]
    values = _values(_scores(records, step), ledger.objective)
    columns = _varying(records)
    if not columns or len(set(values)) == 1:
        return {}
    from optuna.importance import FanovaImportanceEvaluator  # scikit-learn: two seconds

    with quiet_optuna():
        study = optuna.create_study(direction="minimize")
        for i, value in enumerate(values):
            study.add_trial(
                optuna.trial.create_trial(
                    params={name: column[i] for name, column in columns.items()},
                    distributions={name: _domain(column) for name, column in columns.items()},
                    value=value,
                )
            )
        evaluator = FanovaImportanceEvaluator(seed=0)
        try:
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except RuntimeError:  # its trees found nothing to tell apart
            return {}
    return {name: float(share) for name, share in shares.items()}


def _some(records: Sequence[Record]) -> list[Record]:
    """Of many the best half of `MOST`, and as many of the others, drawn."""
    if len(records) <= MOST:
        return list(records)
    ranked = sorted(records, key=lambda record: record.standing)
    best, others = ranked[: MOST // 2], ranked[MOST // 2 :]
    return best + random.Random(0).sample(others, MOST // 2)


def _values(scores: Sequence[float], objective: Objective) -> list[float]:
    """Scores as they are compared: squares by their logarithm, or by their root where they may be
    below 0: the logarithm of what is near it would be that of its noise."""
    if not objective.squared:
        return list(scores)
    if not objective.rooted:
        return [objective.distance(score) for score in scores]
    least = _LEAST * max(scores)
    return [math.log(max(score, least)) if least > 0 else 0.0 for score in scores]


def _scores(records: Sequence[Record], step: int) -> list[float]:
    """Of scored records."""
    loss = records[0].objective.loss
    scores = [(record.scores_at(min(step, record.step)) or (0.0,))[0] for record in records]
    pairs = list(zip(records, scores, strict=True))
    allowed = [score for record, score in pairs if not record.violation]
    worst = max(allowed or scores, key=loss)
    return [worst if record.violation else score for record, score in pairs]


def _varying(records: Sequence[Record]) -> dict[str, list[str | float]]:
    """Settings that differ between trials: choices as words, numbers as ranks."""
    rows = [record.settings.to_dict() for record in records]
    columns: dict[str, list[str | float]] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        distinct = sorted(set(values))
        if len(distinct) == 1:
            continue
        if isinstance(values[0], str | bool):
            columns[name] = [str(value) for value in values]
        else:
            columns[name] = [float(distinct.index(value)) for value in values]
    return columns


def _domain(values: Sequence[str | float]) -> CategoricalDistribution | FloatDistribution:
    numbers = [value for value in values if isinstance(value, float)]
    if numbers:
        return FloatDistribution(0.0, max(numbers))
    return CategoricalDistribution(sorted({str(value) for value in values}))
