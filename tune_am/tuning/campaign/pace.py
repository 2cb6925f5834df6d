"""How fast a campaign goes, and how long its re-scoring will take."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tune_am.tuning.campaign.rescoring import cost
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.ledger import Record


class Pace:
    """Follows the trials (`searcher.Listener`) to know what of a time budget must be kept."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._plan = units[0].plan
        self._units = len(units)
        self._costs: dict[str, int] = {}  # unit -> sample-steps of scoring its best again
        self._losses: dict[str, float] = {}
        self._steps: dict[tuple[str, int], int] = {}  # trial -> its step when last heard of
        self._sample_steps = 0
        self._begun: float | None = None
        for unit in units:
            for record in unit.ledger.scored:
                self._take(record)

    @property
    def rescoring_seconds(self) -> float:
        """At the pace so far; for units without a score yet as for the mean of the others."""
        if self._begun is None or not self._sample_steps or not self._costs:
            return 0.0
        mean = sum(self._costs.values()) / len(self._costs)
        return self._units * mean * (time.monotonic() - self._begun) / self._sample_steps

    def trial_started(self, record: Record) -> None:
        self._begun = self._begun or time.monotonic()
        self._steps[record.key] = record.step

    def trial_reported(self, record: Record) -> None:
        self._sample_steps += self._plan.starts * (record.step - self._steps[record.key])
        self._steps[record.key] = record.step
        self._take(record)

    def trial_ended(self, record: Record) -> None:
        del self._steps[record.key]

    def _take(self, record: Record) -> None:
        if record.loss <= self._losses.get(record.neuron, float("inf")):
            self._losses[record.neuron] = record.loss
            self._costs[record.neuron] = cost(record, self._plan)
