"""Which trials stop early: asynchronous successive halving (Li et al. 2020, arXiv 1810.05934)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from tune_am.am.objectives import Objective
from tune_am.am.score import STEP
from tune_am.tuning.defaults import REDUCTION
from tune_am.tuning.ledger import Ledger, has_diverged
from tune_am.tuning.trial import NUMBER


class Asha(FIFOScheduler):
    """At each rung the best 1/`reduction` of the trials that got there go on, and late starters.

    The rungs are report points, the clock is `step`. They are kept nowhere but in the ledger, so a
    resumed search stops the trials that an uninterrupted one would. (Ray's own ASHA counts its
    rungs with a logarithm that is sometimes one too few, loses them on restore, and knows a trial
    by its score alone.)

    A score says little about a trial with a small learning rate: it is far from the goal and on its
    way, while the fast are already where they will stay. So there is no rung at the first report
    point, and at the others a trial is spared that ends nearest of all if each keeps its `course`.
    """

    def __init__(
        self, ledger: Ledger, report_points: Sequence[int], reduction: float = REDUCTION
    ) -> None:
        super().__init__()
        self._ledger = ledger
        self._points = tuple(report_points)
        self._reduction = reduction

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        number, step = trial.config[NUMBER], int(result[STEP])
        if step not in self._points[1:-1] or has_diverged(result):
            return TrialScheduler.CONTINUE  # no rung, or the trial's end anyway
        if self._ledger[number].step >= step:
            return TrialScheduler.CONTINUE  # decided before: a worker that died repeats itself
        objective = self._ledger.objective
        score = result[objective.metric]
        others = self._ledger.rung(step)
        losses = [objective.loss(other) for other in others.values()]
        if among_best(objective.loss(score), losses, self._reduction):
            return TrialScheduler.CONTINUE
        before = self._points[self._points.index(step) - 1]
        earlier = self._ledger.rung(before)

        def ends(number: int, score: float) -> float:
            told = earlier.get(number, score), score
            return course(objective, (before, step), told, self._points[-1])

        if ends(number, score) < min(ends(other, others[other]) for other in others):
            return TrialScheduler.CONTINUE
        return TrialScheduler.STOP

    def debug_string(self) -> str:
        return f"ASHA over {self._points[1:-1]}"


def among_best(score: float, others: Sequence[float], reduction: float) -> bool:
    """Whether the loss `score` is in the lowest 1/`reduction`, rounded up, of it and the others."""
    places = math.ceil((len(others) + 1) / reduction)
    return sum(other < score for other in others) < places


def course(
    objective: Objective, steps: tuple[int, int], scores: tuple[float, float], horizon: int
) -> float:
    """Distance from the best there is, at the horizon, of a trial with these scores at two steps.

    An ascent covers distance at a steady pace while it is far away, and an activation-FID is a
    squared distance; so what is drawn on in a straight line is `Objective.distance`, its root.
    """
    earlier, now = (objective.distance(score) for score in scores)
    pace = (earlier - now) / (steps[1] - steps[0])
    return max(objective.nearest, now - pace * (horizon - steps[1]))
