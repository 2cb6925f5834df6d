"""Every point of a finite search space: of choices and stepped ranges."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler

from tune_am.errors import UserError
from tune_am.naming import option
from tune_am.tuning.space import Space, quiet_optuna

LARGEST = 10_000  # points of a grid


def gridded(space: Space, seed: int) -> Space:
    """`space` with all of its points to be tried, those that it names first, and no further."""
    named = space.points
    rest = [point for point in grid(space, seed) if point not in named]
    points = (*named, *rest)
    return replace(space, points=points, trials=min(space.trials or len(points), len(points)))


def grid(space: Space, seed: int) -> tuple[dict[str, Any], ...]:
    """All points of `space` as drawn parameters, in an order that `seed` shuffles.

    In the order in which they are drawn, a grid that is not searched to its end would have seen one
    value of the first parameter only. Parameters of a branch are in the points that take it.
    Raises `UserError` where a parameter has no end of values, or there are too many points.
    """
    walk, points = _Walk(), []
    with quiet_optuna():
        while not walk.over:
            study = optuna.create_study(sampler=walk)  # a new one: a walk is long
            trial = study.ask()
            space.settings(trial)
            points.append(trial.params)
            if len(points) > LARGEST:
                raise UserError(
                    f"space {space.name}: its grid has more than {LARGEST} points; give its "
                    f"parameters fewer values, or use {option('sampler', 'random')}"
                )
            walk.next()
    random.Random(seed).shuffle(points)
    return tuple(points)


class _Walk(BaseSampler):
    """Draws one point after the other: the last parameter that has a further value takes it."""

    def __init__(self) -> None:
        self.over = False
        self._places: list[list[int]] = []  # of each parameter drawn: which value, of how many
        self._drawn = 0

    def next(self) -> None:
        self._drawn = 0
        while self._places and self._places[-1][0] + 1 == self._places[-1][1]:
            self._places.pop()
        if self._places:
            self._places[-1][0] += 1
        else:
            self.over = True

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        values = _values(param_name, param_distribution)
        if self._drawn == len(self._places):
            self._places.append([0, len(values)])
        self._drawn += 1
        return values[self._places[self._drawn - 1][0]]


def _values(name: str, distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, step = distribution.low, distribution.step
    if step is None or distribution.log:
        raise UserError(
            f"{name} from {low} to {distribution.high} has no grid: give it a step or a list of "
            "values (suggest_categorical), or use another sampler"
        )
    steps = round((distribution.high - low) / step)  # Optuna has moved `high` to a whole step
    if isinstance(distribution, IntDistribution):
        return [low + i * step for i in range(steps + 1)]
    return [round(low + i * step, 12) for i in range(steps + 1)]
