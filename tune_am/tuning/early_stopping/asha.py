"""Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tune_am.am.objectives import Objective
from tune_am.tuning.defaults import REDUCTION
from tune_am.tuning.early_stopping.stopping_rule import StoppingRule
from tune_am.tuning.pareto import keys
from tune_am.tuning.record import Record


class Asha(StoppingRule):
    """At each rung the best 1/`REDUCTION` of the trials that got there go on, and late starters.

    Spared is a trial whose `course` ends nearer than that of every other trial that got there, by
    one of several objectives. A course ends at the goal at the nearest, so once one of the others
    reaches it none is spared.
    (Ray's own ASHA counts its rungs with a logarithm that is sometimes one too few, loses them on
    restore, and knows a trial by its score alone.)
    """

    def _stops(self, record: Record, others: Sequence[Record], step: int) -> bool:
        there = [other for other in others if other.report_at(step) is not None]
        own, *standings = keys([one.standing_at(step) for one in (record, *there)])
        if among_best(own, standings, REDUCTION):
            return False
        ends, *all_ends = (self._ends(one, step) for one in (record, *there))
        rivals = zip(*all_ends, strict=True)
        return all(end >= min(others) for end, others in zip(ends, rivals, strict=True))

    def _ends(self, record: Record, step: int) -> list[tuple[float, float]]:
        """Where a trial that got to the rung `step` will stand, by each objective, if it keeps its
        course."""
        before = self.points[self.points.index(step) - 1]
        now = record.scores_at(step)
        assert now is not None  # it got there
        told = zip(record.scores_at(before) or now, now, strict=True)
        violation, _ = record.standing_at(step)
        return [
            (violation, course(objective, (before, step), scores, self.points[-1]))
            for objective, scores in zip(record.objective.every, told, strict=True)
        ]


def among_best(value: Any, others: Sequence[Any], reduction: float) -> bool:
    """Whether `value` is in the lowest 1/`reduction`, rounded up, of it and the others."""
    places = math.ceil((len(others) + 1) / reduction)
    return sum(other < value for other in others) < places


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
