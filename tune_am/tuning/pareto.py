"""Settings by several objectives: which are on the front, and in what order all stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# Sum of what is missing to the constraints, and the loss by each objective.
Standing = tuple[float, tuple[float, ...]]


def keys(standings: Sequence[Standing]) -> list[tuple[float, ...]]:
    """One for each of `standings`, by which they sort, the best first.

    What keeps the constraints comes before what does not (Deb 2000). By one objective the loss
    decides; by several how many fronts are to be taken away until it is on one itself, and on one
    front how far apart its neighbours are, the furthest first (NSGA-II: Deb et al. 2002).
    """
    if all(len(losses) == 1 for _, losses in standings):
        return [(violation, *losses) for violation, losses in standings]
    sorted_keys: list[tuple[float, ...]] = [()] * len(standings)
    for violation in {violation for violation, _ in standings}:
        rows = [i for i, (broken, _) in enumerate(standings) if broken == violation]
        points = np.array([standings[i][1] for i in rows])
        for level, front in enumerate(fronts(points)):
            for place, width in zip(front, _widths(points[front]), strict=True):
                sorted_keys[rows[place]] = violation, level, -width
    return sorted_keys


def best_first(standings: Sequence[Standing]) -> list[int]:
    """The indices of `standings` in the order of their `keys`."""
    places = keys(standings)
    return sorted(range(len(places)), key=lambda i: places[i])


def on_front(standings: Sequence[Standing]) -> list[bool]:
    """Of each whether it is on the first front."""
    places = keys(standings)
    return [key[:2] == min(places)[:2] for key in places]


def fronts(points: Any) -> list[Any]:
    """Indices of `points: [n, objectives]`, losses, in fronts: the first are those that no other is
    better than (at least as good by all, better by one), the next those of the rest, and so on."""
    at_least = (points[:, None] <= points).all(2)
    better = at_least & (points[:, None] < points).any(2)  # [i, j]: i is better than j
    left, found = np.ones(len(points), bool), []
    while left.any():
        front = left & ~better[left].any(0)
        found.append(np.flatnonzero(front))
        left &= ~front
    return found


def _widths(points: Any) -> Any:
    """Of each of a front's `points: [n, objectives]` the crowding distance: the sum over objectives
    of the way from the next below to the next above, as a share of the whole; at an end no end."""
    widths = np.zeros(len(points))
    for losses in points.T:
        order = np.argsort(losses, kind="stable")
        ranked = losses[order]
        widths[order[[0, -1]]] = np.inf
        if np.isfinite(losses).all() and (span := ranked[-1] - ranked[0]) > 0:
            widths[order[1:-1]] += (ranked[2:] - ranked[:-2]) / span
    return widths
