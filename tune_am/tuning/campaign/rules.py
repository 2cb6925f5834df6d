"""Which of many neurons gets the next trial, and what one neuron learns from the others."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tune_am.am.objectives import DEFAULT, Objective

# Trials that every neuron gets before any gets more.
FIRST = 2

# One trial in so many is the sampler's, the others are what proved best on others.
SAMPLED_EVERY = 4

# Trials without a gain that are added to those of each setting before settings are compared.
DOUBT = 3

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
    # function of the user's may be below 0: then only the barren trials count.
    distance = min(max(course.distance, _LOWEST), 1e3)
    return math.log1p(distance) / (1 + course.barren)


def most_proven(gains: Mapping[str, Sequence[float]], tried: Collection[str]) -> str | None:
    """Of settings that neurons have tried, by name, the one to try on another; None when there is
    nothing new that gained anything.

    gains: of each trial of them, how much nearer it came than its neuron's first trial; negative is
    nearer. The lowest mean comes first, of `DOUBT` trials more than there were, which gained
    nothing: one lucky trial proves less than many fair ones. tried: what the neuron has tried.
    """
    means = {
        name: sum(found) / (len(found) + DOUBT)
        for name, found in gains.items()
        if name not in tried
    }
    first = min(means, key=lambda name: means[name], default=None)
    return None if first is None or means[first] >= 0 else first
