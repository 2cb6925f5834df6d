"""HyperBand (Li et al. 2018, arXiv 1603.06560), asynchronous as in the paper on ASHA."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tune_am.tuning.defaults import REDUCTION
from tune_am.tuning.early_stopping.asha import Asha
from tune_am.tuning.record import Record


class Hyperband(Asha):
    """Successive halving in several brackets, which differ in their first rung.

    Bracket 0 has every rung, each further one begins a rung later, the last has none: its trials
    all run to their end. So the share of steps that a too early first rung can spoil is bounded.
    """

    def __init__(self, report_points: Sequence[int]) -> None:
        super().__init__(report_points)
        self._costs = [self._cost(bracket) for bracket in range(len(self.rungs) + 1)]
        self._spent = [0.0] * len(self._costs)
        self._brackets: list[int] = []  # those of the first trials, as far as anybody asked

    def bracket(self, number: int) -> int:
        """That of a trial, by its number: each next trial goes where least was spent.

        Spent is what trials of a bracket take in the mean, so that all brackets get equal shares
        of the steps, as in HyperBand.
        """
        costs, spent = self._costs, self._spent
        while len(self._brackets) <= number:
            chosen = min(range(len(costs)), key=lambda b: spent[b] + costs[b])
            spent[chosen] += costs[chosen]
            self._brackets.append(chosen)
        return self._brackets[number]

    def _cost(self, bracket: int) -> float:
        """Mean steps of a trial in `bracket`, of which 1/`REDUCTION` goes on at each rung."""
        ends = (*self.rungs[bracket:], self.points[-1])
        steps, share = float(ends[0]), 1.0
        for begin, end in pairwise(ends):
            share /= REDUCTION
            steps += share * (end - begin)
        return steps

    def _stops(self, record: Record, others: Sequence[Record], step: int) -> bool:
        bracket = self.bracket(record.number)
        if step not in self.rungs[bracket:]:
            return False
        rivals = [other for other in others if self.bracket(other.number) == bracket]
        return super()._stops(record, rivals, step)
