"""Which settings mattered."""

from __future__ import annotations

import math

import optuna

from tune_am.tuning.ledger import Ledger, Record
from tune_am.tuning.space import quiet_optuna

# Fewer trials say nothing about any parameter.
FEWEST = 8


def importances(ledger: Ledger) -> dict[str, float]:
    """Share of each drawn parameter in how good the trials are, the largest first, sum 1.

    Optuna's PED-ANOVA, which takes milliseconds. Trials can only be compared at equal steps, so
    each counts with its score at the last report point that at least half of them reached; those
    that did not get there count with their last score. Empty below `FEWEST` trials.
    """
    records = ledger.scored
    if len(records) < FEWEST:
        return {}
    reached = sorted(record.step for record in records)[math.ceil(len(records) / 2)]
    study = _study(records, reached)
    # At least five trials on the good side, as PED-ANOVA's authors advise.
    good = min(0.5, max(0.1, 5 / len(records)))
    with quiet_optuna():
        shares = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator(target_quantile=good)
        )
    return {name: float(share) for name, share in shares.items()}


def _study(records: list[Record], step: int) -> optuna.Study:
    """The trials as if all had been judged at `step`."""
    with quiet_optuna():
        study = optuna.create_study(direction="minimize")
        for record in records:
            score = record.score_at(step) if record.step >= step else record.score
            study.add_trial(
                optuna.trial.create_trial(
                    params=record.params, distributions=record.distributions, value=score
                )
            )
    return study
