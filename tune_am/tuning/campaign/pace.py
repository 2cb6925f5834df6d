"""How fast a campaign goes, and how long its re-scoring will take."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tune_am.am.settings import Settings
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.defaults import RESCORE_STARTS
from tune_am.tuning.ledger import Record
from tune_am.tuning.rescore import Candidate

# Seconds until the processes that score again have loaded PyTorch and the pack.
STARTING = 10.0


class Pace:
    """Follows the trials (`searcher.Listener`) to know what of a time budget must be kept."""

    def __init__(self, units: Mapping[str, Unit]) -> None:
        self._units = units
        self._plan = next(iter(units.values())).plan
        self._steps: dict[tuple[str, int], int] = {}  # trial -> its step when last heard of
        self._sample_steps = 0
        self._begun: float | None = None

    @property
    def rescoring_seconds(self) -> float:
        """At the pace so far. A unit without a score counts as if it were best at its first report:
        what it is to have is reckoned when it has begun (`CampaignScheduler`)."""
        if self._begun is None or not self._sample_steps:
            return 0.0
        seconds = (time.monotonic() - self._begun) / self._sample_steps
        return STARTING + self._rescoring_steps() * seconds

    def _rescoring_steps(self) -> int:
        """Sample-steps of scoring each unit's best again, and of its random classifier, which units
        of one layer with the same best share."""
        starts = min(RESCORE_STARTS, self._plan.starts)
        steps = 0
        shared: dict[tuple[str, Settings], int] = {}
        for unit in self._units.values():
            if (best := unit.ledger.best) is None:
                steps += self._plan.report_points[0]
                continue
            chosen = Candidate.of(best)
            steps += chosen.step
            shared[unit.layer, chosen.settings] = chosen.step
        return starts * (steps + sum(shared.values()))

    def trial_started(self, record: Record) -> None:
        self._begun = self._begun or time.monotonic()
        self._steps[record.key] = record.step

    def trial_reported(self, record: Record) -> None:
        self._sample_steps += self._plan.starts * (record.step - self._steps[record.key])
        self._steps[record.key] = record.step

    def trial_ended(self, record: Record) -> None:
        del self._steps[record.key]
