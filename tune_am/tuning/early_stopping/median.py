"""The median rule of Google Vizier (Golovin et al. 2017, section 3.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median

from tune_am.am.score import STEP
from tune_am.tuning.early_stopping.stopping_rule import StoppingRule
from tune_am.tuning.record import Record

# Ended trials that must have got to a rung before anything is stopped there.
FEWEST = 3


class Median(StoppingRule):
    """Stops a trial whose best score so far is worse than the median, over the trials that have
    ended, of their scores' running averages up to the same step."""

    def _stops(self, record: Record, others: Sequence[Record], step: int) -> bool:
        averages = [
            average(other, step)
            for other in others
            if other.outcome is not None and other.report_at(step) is not None
        ]
        if len(averages) < FEWEST:
            return False
        violation, loss = record.standing_at(step)
        return violation > 0 or loss > median(averages)


def average(record: Record, step: int) -> float:
    """Mean loss, over its report points up to `step`, of what the trial kept at each."""
    objective = record.objective
    return fmean(
        objective.loss(report[objective.now]) for report in record.reports if report[STEP] <= step
    )
