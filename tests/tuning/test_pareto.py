"""Fronts and crowding, against the definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tune_am.tuning.pareto import best_first, fronts, keys, on_front


def better(one, other) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_fronts_are_what_nobody_left_is_better_than(objectives):
    """Few values, so that many are equal."""
    points = np.random.default_rng(objectives).integers(0, 5, (40, objectives)).astype(float)
    left = set(range(len(points)))
    for front in fronts(points):
        best = {i for i in left if not any(better(points[j], points[i]) for j in left)}
        assert set(front) == best
        left -= best
    assert not left


def test_by_one_objective_the_loss_decides():
    standings = [(0.0, (3.0,)), (0.2, (1.0,)), (0.0, (2.0,)), (0.1, (9.0,))]
    assert keys(standings) == [(0.0, 3.0), (0.2, 1.0), (0.0, 2.0), (0.1, 9.0)]
    assert best_first(standings) == [2, 0, 3, 1]


def test_on_one_front_the_ends_come_first_then_who_has_most_room():
    """Crowding by hand: between (0, 10) and (10, 0) are 2/10 + 4/10, 8/10 + 7/10, 7/10 + 3/10."""
    losses = [(0.0, 10.0), (1.0, 9.0), (2.0, 6.0), (9.0, 2.0), (10.0, 0.0)]
    found = keys([(0.0, pair) for pair in losses])
    assert [level for _, level, _ in found] == [0] * 5
    widths = [-width for *_, width in found]
    assert widths == pytest.approx([math.inf, 0.2 + 0.4, 0.8 + 0.7, 0.8 + 0.6, math.inf])
    assert best_first([(0.0, pair) for pair in losses]) == [0, 4, 2, 3, 1]


def test_what_breaks_a_constraint_comes_last_and_is_on_no_front():
    standings = [(0.5, (0.0, 0.0)), (0.0, (9.0, 9.0)), (0.0, (8.0, 10.0)), (0.0, (10.0, 10.0))]
    assert sorted(best_first(standings)[:2]) == [1, 2]
    assert best_first(standings)[2:] == [3, 0]
    assert on_front(standings) == [False, True, True, False]


def test_no_order_of_equals_or_of_what_has_no_score():
    equal = [(0.0, (1.0, 1.0))] * 3
    assert on_front(equal) == [True] * 3
    nothing = [(math.inf, (math.inf, math.inf)), (0.0, (1.0, 1.0))]
    assert best_first(nothing) == [1, 0]
    assert on_front([]) == []


def test_the_order_does_not_depend_on_the_scale_of_an_objective():
    draws = np.random.default_rng(0).random((12, 2))
    plain, scaled = (
        [(0.0, tuple(map(float, row))) for row in points] for points in (draws, draws * (1, 1e6))
    )
    assert best_first(plain) == best_first(scaled)
    assert all(
        not better(plain[j][1], plain[i][1])
        for i, j in itertools.pairwise(best_first(plain))
        if keys(plain)[i][1] == keys(plain)[j][1]
    )
