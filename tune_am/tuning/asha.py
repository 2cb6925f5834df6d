"""Which trials stop early: asynchronous successive halving (Li et al. 2020, arXiv 1810.05934)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune_am.am.score import ACTIVATION_FID, STEP
from tune_am.tuning.defaults import REDUCTION
from tune_am.tuning.ledger import Ledger, Record, has_diverged
from tune_am.tuning.trial import NUMBER


class Asha(FIFOScheduler):
    """At each rung the best 1/`reduction` of the trials that got there go on, and late starters.

    The rungs are report points, the clock is `step`. They are kept nowhere but in the ledger, so a
    resumed search stops the trials that an uninterrupted one would. (Ray's own ASHA counts its
    rungs with a logarithm that is sometimes one too few, loses them on restore, and knows a trial
    by its score alone.)

    A score says little about a trial with a small learning rate: it is far from the goal and on its
    way. Early rungs would leave only the fast. So there is no rung at the first report point, and
    at the others a trial is spared that `overtakes`.
    """

    def __init__(
        self, ledger: Ledger, report_points: Sequence[int], reduction: float = REDUCTION
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._points = tuple(report_points)
        self._reduction = reduction

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        record, step = self._ledger[trial.config[NUMBER]], int(result[STEP])
        if record.step >= step or step not in self._points[1:-1] or has_diverged(result):
            return TrialScheduler.CONTINUE  # decided before, no rung, or at its end anyway
        score = result[ACTIVATION_FID]
        others = self._ledger.rung(step)
        others.pop(record.number, None)
        if among_best(score, list(others.values()), self._reduction):
            return TrialScheduler.CONTINUE
        leader = min(others.values())
        if overtakes(record, score, step, leader, self._points[-1]):
            return TrialScheduler.CONTINUE
        return TrialScheduler.STOP

    def debug_string(self) -> str:
        return f"ASHA over {self._points[1:-1]}"


def among_best(score: float, others: Sequence[float], reduction: float) -> bool:
    """Whether `score` is in the lowest 1/`reduction`, rounded up, of itself and the others."""
    places = math.ceil((len(others) + 1) / reduction)
    return sum(other < score for other in others) < places


def overtakes(record: Record, score: float, step: int, leader: float, horizon: int) -> bool:
    """Whether the trial, going on as since its last report, beats `leader` before the horizon.

    An activation-FID is a squared distance, and an ascent covers distance at a steady pace while it
    is far away; so its root is drawn on in a straight line.
    """
    if record.score is None:
        return False
    pace = (math.sqrt(record.score) - math.sqrt(score)) / (step - record.step)
    return math.sqrt(score) - pace * (horizon - step) < math.sqrt(leader)
