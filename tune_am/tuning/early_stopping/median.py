"""The median rule of Google Vizier (Golovin et al. 2017, section 3.2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import gt
from statistics import fmean, median

from tune_am.am.score import STEP
from tune_am.tuning.early_stopping.stopping_rule import StoppingRule
from tune_am.tuning.record import Record

# Ended trials that must have got to a rung before anything is stopped there.
FEWEST = 3


class Median(StoppingRule):
    """Stops a trial whose best score so far is worse than the median, over the trials that have
    ended, of their scores' running averages up to the same step; of several objectives by each."""

    def _stops(self, record: Record, others: Sequence[Record], step: int) -> bool:
        ended = [
            other
            for other in others
            if other.outcome is not None and other.report_at(step) is not None
        ]
        if len(ended) < FEWEST:
            return False
        violation, losses = record.standing_at(step)
        medians = map(median, zip(*(averages(other, step) for other in ended), strict=True))
        return violation > 0 or all(map(gt, losses, medians))


def averages(record: Record, step: int) -> list[float]:
    """By each objective the mean loss, over its report points up to `step`, of what the trial kept
    at each."""
    first, *others = record.objective.every
    kept = [(first, first.now), *((each, each.beside) for each in others)]
    reports = [report for report in record.reports if report[STEP] <= step]
    return [fmean(each.loss(report[metric]) for report in reports) for each, metric in kept]
