"""Which of many neurons gets the next trial, and what one neuron learns from the others.

The rules alone, as `bench/campaign.py` measures them; no search runs by them yet.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_am.errors import UserError

# Trials that every neuron gets before any gets more.
FIRST = 2

# A score this far below the noise floor says no more than one at a hundredth of it.
_LOWEST = 0.01


@dataclass(frozen=True)
class Course:
    """What a campaign knows of one neuron.

    floor: its real-against-real activation-FID. scores: of its ended trials, in their order; None
    for one that failed. running: trials that have not ended.
    """

    floor: float
    scores: tuple[float | None, ...] = ()
    running: int = 0

    @property
    def trials(self) -> int:
        return len(self.scores) + self.running

    @property
    def best(self) -> float:
        return min((score for score in self.scores if score is not None), default=math.inf)

    @property
    def barren(self) -> int:
        """Trials since the best one; those that run count too, so that they spread."""
        if math.isinf(self.best):
            return self.trials
        return self.trials - 1 - self.scores.index(self.best)

    @property
    def distance(self) -> float:
        """The best score as a multiple of the noise floor."""
        return max(self.best / self.floor, _LOWEST) if self.floor > 0 else self.best


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
    if math.isinf(
        course.best
    ):  # nothing scored yet, as after failures: hope wears off all the same
        return math.log1p(1e6) / (1 + course.barren)
    return math.log1p(course.distance) / (1 + course.barren)


def warm_start(
    best: Sequence[tuple[Mapping[str, Any], float]], tried: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """The parameters to try on a neuron, learnt from others; None when there is nothing new.

    best: of each other neuron, the parameters that scored best and their distance (a multiple of
    that neuron's noise floor). Those that most neurons agree on come first; of equally many, those
    that came nearest to the floor. tried: what the neuron has tried already.
    """
    votes: dict[tuple[Any, ...], list[float]] = {}
    for params, distance in best:
        if not any(dict(params) == dict(other) for other in tried):
            key: tuple[Any, ...] = tuple(sorted(params.items()))
            votes.setdefault(key, []).append(distance)
    if not votes:
        return None
    first = min(votes, key=lambda key: (-len(votes[key]), min(votes[key])))
    return dict(first)


def select(text: str, layers: Mapping[str, int]) -> list[str]:
    """The neurons that `text` asks for: "fc8:0-15", "fc8:*", or any of them with commas between.

    `layers` maps each layer to its number of units. What is neither a range nor a star is left as
    it is, for `Neuron.parse` to judge. Raises `UserError` for a range that a layer does not have,
    and for a neuron asked for twice.
    """
    names: list[str] = []
    for part in text.split(","):
        layer, _, units = part.partition(":")
        span = re.fullmatch(r"(\d+)-(\d+)", units)
        if layer not in layers or not (span or units == "*"):
            names.append(part)
            continue
        last = layers[layer] - 1
        low, high = (int(span[1]), int(span[2])) if span else (0, last)
        if not low <= high <= last:
            raise UserError(f"no neurons {part!r}: {layer} has the units 0-{last}")
        names += [f"{layer}:{unit}" for unit in range(low, high + 1)]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UserError(f"neurons {text!r}: {twice} is asked for twice")
    return names
