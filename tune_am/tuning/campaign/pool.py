"""What all neurons together say of the settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import TrialState

from tune_am.am.score import STEP
from tune_am.tuning.campaign.rules import most_proven
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.defaults import SAMPLER
from tune_am.tuning.record import DIVERGED, FAILED, Record
from tune_am.tuning.sampling.samplers import draw
from tune_am.tuning.space import Space, quiet_optuna

# A gain is no larger: a hundred times nearer.
MOST = math.log(100)


class Pool:
    """The trials of all units: which settings proved best, and Optuna's TPE over all.

    A trial counts with what it gained on its unit's first, see `gain`. All units begin with the
    same settings, so the gains of easy and of hard neurons can be compared. One neuron alone, with
    a few trials, would leave its sampler at random draws.
    """

    def __init__(self, units: Sequence[Unit], space: Space, seed: int) -> None:
        self._units, self._space, self._seed = units, space, seed
        self._known: set[tuple[str, int]] = set()
        self._gains: dict[str, list[float]] = {}  # by the name of the parameters
        self._params: dict[str, dict[str, Any]] = {}
        with quiet_optuna():
            self._study = optuna.create_study()

    def proven(self, unit: Unit) -> dict[str, Any] | None:
        """The parameters that proved best on all units and that `unit` has not tried, if any."""
        with quiet_optuna():
            self._learn()
        tried = {_name(record.params) for record in unit.ledger.records}
        name = most_proven(self._gains, tried)
        return None if name is None else dict(self._params[name])

    def propose(self, unit: Unit) -> dict[str, Any]:
        """Parameters to try on `unit`; they follow from the seed, which trial of which unit it is,
        and the trials that have ended. The first are the same for all units."""
        which = self._seed, unit.name, len(unit.ledger.records)
        with quiet_optuna():
            if not unit.ledger.records:
                return dict(draw(optuna.create_study(), self._space, SAMPLER, self._seed)[0].params)
            self._learn()
            trial, _ = draw(self._study, self._space, SAMPLER, *which)
            self._study.tell(trial, state=TrialState.FAIL)  # its outcome comes from the ledger
        return dict(trial.params)

    def _learn(self) -> None:
        """Take in the trials that ended since."""
        for unit in self._units:
            records = unit.ledger.records
            base = _base(records)
            if base is None:
                continue
            for record in records:
                if record.key not in self._known and record.outcome not in (None, FAILED):
                    self._known.add(record.key)
                    self._add(record, gain(base, record))

    def _add(self, record: Record, value: float) -> None:
        name = _name(record.params)
        self._params.setdefault(name, record.params)
        # What breaks a constraint gained nothing, whatever its score.
        self._gains.setdefault(name, []).append(max(0.0, value) if record.violation else value)
        # A stopped trial's score is that of a shorter ascent, as in `Ledger.write`.
        short, steps = record.cut_short, [int(report[STEP]) for report in record.valid]
        self._study.add_trial(
            optuna.trial.create_trial(
                state=TrialState.PRUNED if short else TrialState.COMPLETE,
                params=record.params,
                distributions=record.distributions,
                value=None if short else value,
                intermediate_values=dict.fromkeys(steps[-1:], value),
                constraints=record.constraints(),
            )
        )


def _name(params: dict[str, Any]) -> str:
    return repr(sorted(params.items()))


def _base(records: Sequence[Record]) -> Record | None:
    """What gains on a unit are reckoned from: its first trial, of those that came to something.

    None until it is known which that is; one that diverged or failed would make every other trial
    of its unit look proven.
    """
    for record in records:
        if record.outcome is None:
            return None
        if record.outcome not in (FAILED, DIVERGED):
            return record
    return None


def gain(base: Record, record: Record) -> float:
    """How much nearer than `base` a trial on the same neuron came, as the logarithm of a ratio, at
    most `MOST` either way; negative is nearer.

    Scores of a user's own may have either sign; their difference, over the mean of their sizes, is
    nearly the same where they are alike.
    """
    assert record.score is not None
    assert base.score is not None
    objective = record.objective
    distance, before = objective.distance(record.score), objective.distance(base.score)
    if objective.nearest < 0:
        size = abs(distance) + abs(before)
        return 2 * (distance - before) / size if size else 0.0
    ratio = math.log(max(distance, 1e-6) / max(before, 1e-6))
    return max(-MOST, min(MOST, ratio))
