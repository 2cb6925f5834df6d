"""What stops trials early, whatever runs them: no rule imports Ray."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tune_am.am.score import STEP
from tune_am.tuning.ledger import Ledger
from tune_am.tuning.record import Record, has_diverged


class StoppingRule(ABC):
    """Decides at each rung whether the trial that got there goes on.

    The rungs are report points, the clock is `step`. A rule keeps nothing: all that it goes by is
    in the ledger, so a resumed search stops the trials that an uninterrupted one would.

    A score says little about a trial with a small learning rate: it is far from the goal and on its
    way, while the fast are already where they will stay. So there is no rung at the first report
    point; nor at the last, where a trial ends anyway.
    """

    def __init__(self, report_points: Sequence[int]) -> None:
        self.points = tuple(report_points)

    @property
    def rungs(self) -> tuple[int, ...]:
        return self.points[1:-1]

    def stops(self, ledger: Ledger, number: int, metrics: Mapping[str, float]) -> bool:
        """Whether trial `number`, which reports `metrics`, ends there.

        Asked before the report is in the ledger: of one that is, the decision was made, and a
        worker that died repeats itself.
        """
        step, record = int(metrics[STEP]), ledger[number]
        if step not in self.rungs or has_diverged(metrics) or record.step >= step:
            return False
        record = replace(record, reports=(*record.reports, dict(metrics)))
        others = [other for other in ledger.records if other.number != number]
        return self._stops(record, others, step)

    @abstractmethod
    def _stops(self, record: Record, others: Sequence[Record], step: int) -> bool:
        """Whether `record`, whose last report is at the rung `step`, ends there."""
