"""Which trials of a campaign stop early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune_am.am.score import STEP
from tune_am.packs.neuron import shown
from tune_am.tuning.budget import Budget
from tune_am.tuning.campaign.unit import Unit
from tune_am.tuning.run import Halt, RuleScheduler
from tune_am.tuning.trial import TASK


class CampaignScheduler(FIFOScheduler):
    """To each unit its own rungs; and where time is short, to each a first trial.

    A unit's first trial has no others to be compared with and would run to its end. Under a time
    budget it may take as long as each unit that waits for a result may: its next leg begins only if
    there is time for a leg of that length on every one of them, and for scoring it again.
    """

    def __init__(self, units: Mapping[str, Unit], budget: Budget, halt: Halt) -> None:
        super().__init__()
        self._units, self._halt, self._workers = units, halt, budget.workers
        self._points = budget.plan.report_points
        self._rules = {name: RuleScheduler(unit.ledger, budget) for name, unit in units.items()}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        name = shown(trial.config[TASK]["plan"]["neuron"])
        if len(self._units[name].ledger.records) == 1 and self._too_long(result):
            return TrialScheduler.STOP
        decision: str = self._rules[name].on_trial_result(tune_controller, trial, result)
        return decision

    def _too_long(self, result: dict[str, Any]) -> bool:
        step = int(result[STEP])
        after = next((point for point in self._points if point > step), None)
        if after is None:
            return False
        leg = 2 * result["time_total_s"] * (after / step - 1)
        waiting = sum(_waits(unit) for unit in self._units.values())
        return bool(leg > self._halt.seconds_left * self._workers / max(1, waiting))


def _waits(unit: Unit) -> bool:
    """For the end of its first trial."""
    return not any(record.outcome is not None for record in unit.ledger.records)
