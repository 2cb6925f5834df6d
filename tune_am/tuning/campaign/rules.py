"""Which of many neurons gets the next trial, and what one neuron learns from the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_am.am.objectives import DEFAULT, Objective

# Trials that every neuron gets before any gets more.
FIRST = 2

# After those one trial in so many is the sampler's, the others are what was best for others.
SAMPLED_EVERY = 2

# A score this far below the noise floor says no more than one at a tenth of it.
_LOWEST = 0.1


@dataclass(frozen=True)
class Course:
    """What a campaign knows of one neuron.

    floor: its score of real against real. scores: of its ended trials, in their order; None for one
    that failed. running: trials that have not ended.
    """

    floor: float
    scores: tuple[float | None, ...] = ()
    running: int = 0
    objective: Objective = DEFAULT

    @property
    def trials(self) -> int:
        return len(self.scores) + self.running

    @property
    def best(self) -> float | None:
        scores = [score for score in self.scores if score is not None]
        return min(scores, key=self.objective.loss, default=None)

    @property
    def barren(self) -> int:
        """Trials since the best one; those that run count too, so that they spread."""
        if self.best is None:
            return self.trials
        return self.trials - 1 - self.scores.index(self.best)

    @property
    def distance(self) -> float:
        """Of the best score, in multiples of the noise floor's: 1 is as near as real ones are."""
        if self.best is None:
            return math.inf
        away, floor = (self.objective.distance(value) for value in (self.best, self.floor))
        return max(away / floor, _LOWEST) if floor > 0 else away


def next_neuron(courses: Mapping[str, Course]) -> str:
    """The neuron to try next, of `courses` by name.

    First each gets `FIRST` trials, in turn. Then the trial goes where improvement is to be hoped
    for: to the neuron with the largest ``log(1 + distance) / (1 + barren)``. One that is far from
    its noise floor has much to gain, one whose last trials gained nothing has little hope; none
    ever gets to nought, so that none starves. Ties go to the one named first.
    """
    fewest = min(courses, key=lambda name: courses[name].trials)
    if courses[fewest].trials < FIRST:
        return fewest
    return max(courses, key=lambda name: _hope(courses[name]))


def _hope(course: Course) -> float:
    # Nothing scored yet, as after failures, is far; hope wears off all the same. The score of a
    # function of the user's may be below 0.
    distance = min(max(course.distance, 0.0), 1e3)
    return math.log1p(distance) / (1 + course.barren)


def warm_start(
    best: Sequence[tuple[Mapping[str, Any], float]], tried: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The parameters to try on a neuron, learnt from others; None when there is nothing new.

    best: of each other neuron, the parameters that scored best and their distance (a multiple of
    that neuron's noise floor). Those that most neurons agree on come first; of equally many, those
    that came nearest to the floor. tried: what the neuron has tried already.
    """
    votes: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    for params, distance in best:
        if not any(dict(params) == dict(other) for other in tried):
            votes.setdefault(repr(sorted(params.items())), []).append((distance, dict(params)))
    if not votes:
        return None
    first = min(votes.values(), key=lambda found: (-len(found), min(d for d, _ in found)))
    return first[0][1]
