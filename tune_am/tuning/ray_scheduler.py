"""Ray Tune's way to a stopping rule."""

from __future__ import annotations

from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune_am.tuning.ledger import Ledger
from tune_am.tuning.stopping_rule import StoppingRule
from tune_am.tuning.trial import NUMBER


class RuleScheduler(FIFOScheduler):
    """Stops the trials that `rule` stops, by what the ledger has of all; without a rule, none."""

    def __init__(self, ledger: Ledger, rule: StoppingRule | None) -> None:
        super().__init__()
        self._ledger = ledger
        self._rule = rule

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stops = self._rule is not None and self._rule.stops(
            self._ledger, trial.config[NUMBER], result
        )
        return TrialScheduler.STOP if stops else TrialScheduler.CONTINUE
