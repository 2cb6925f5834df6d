"""One trial as the ledger has it: what was drawn, what it reported, how it stands; and who hears
of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tune_am.am.objectives import DEFAULT, Objective
from tune_am.am.score import BEST_STEP, COLLAPSE, DIVERGED_FROM, DIVERGED_SHARE, STEP
from tune_am.am.settings import Settings
from tune_am.tuning.pareto import Standing

# How a trial ended; the value of MLflow's tag `outcome`.
FINISHED, STOPPED_EARLY, DIVERGED, FAILED = "finished", "stopped_early", "diverged", "failed"


@dataclass(frozen=True)
class Record:
    """One trial as the ledger has it. reports: its metrics at each report point, rising."""

    number: int
    settings: Settings
    reports: tuple[dict[str, float], ...]
    outcome: str | None  # None while it is to be run
    params: dict[str, Any]
    distributions: dict[str, Any]
    objective: Objective = DEFAULT
    neuron: str = ""  # where a campaign has trials on many

    @property
    def key(self) -> tuple[str, int]:
        """Which trial it is, among all of a search or a campaign."""
        return self.neuron, self.number

    @property
    def counts(self) -> bool:
        """Whether it is one of those asked for: it has ended, and not failed (a resume runs as many
        again)."""
        return self.outcome not in (None, FAILED)

    @property
    def step(self) -> int:
        return int(self.reports[-1][STEP]) if self.reports else 0

    @property
    def valid(self) -> tuple[dict[str, float], ...]:
        """The reports of before it diverged."""
        return tuple(report for report in self.reports if not has_diverged(report))

    @property
    def cut_short(self) -> bool:
        """Whether its score is that of a shorter ascent than was asked for: it was stopped, or has
        diverged after its best report point."""
        if self.outcome == DIVERGED:
            return bool(self.valid) and not self.constraints()[DIVERGED]
        return self.outcome == STOPPED_EARLY

    @property
    def score(self) -> float | None:
        """By the objective: the best so far."""
        return self.reports[-1][self.objective.metric] if self.reports else None

    @property
    def loss(self) -> float:
        """The score turned so that lower is better; without a score it is the worst."""
        return self.objective.loss(self.score)

    @property
    def violation(self) -> float:
        """How far the best so far is from being allowed; 0 where it is."""
        return self._violation(self.reports[-1]) if self.reports else 0.0

    @cached_property  # asked of every trial at every report of one
    def standing(self) -> tuple[float, float]:
        """Lower is better: what is allowed comes before what is not, then the loss (Deb 2000); of
        several objectives by the first."""
        return self.violation, self.loss

    @property
    def scores(self) -> dict[str, float | None]:
        """By each objective, by its metric: see `scores_at`."""
        every = [each.metric for each in self.objective.every]
        return dict(zip(every, self.scores_at(self.step) or [None] * len(every), strict=True))

    def report_at(self, step: int) -> dict[str, float] | None:
        return next((report for report in self.reports if report[STEP] == step), None)

    def scores_at(self, step: int) -> tuple[float, ...] | None:
        """By each objective: the best so far by the first, and what the same examples score by the
        others; None of a trial that did not get there."""
        report = self.report_at(step)
        if report is None:
            return None
        best = self._best_of(report)
        others = (best[each.beside] for each in self.objective.others)
        return report[self.objective.metric], *others

    def standing_at(self, step: int) -> Standing:
        """As it stood there: a trial that did not get there is worse than any."""
        report, scores = self.report_at(step), self.scores_at(step)
        every = self.objective.every
        if report is None or scores is None:
            return math.inf, (math.inf,) * len(every)
        losses = (each.loss(score) for each, score in zip(every, scores, strict=True))
        return self._violation(report), tuple(losses)

    def constraints(self) -> dict[str, float]:
        """As Optuna has them, above 0 where the best examples so far break one."""
        return self._constraints(self.reports[-1]) if self.reports else {}

    def _constraints(self, report: Mapping[str, float]) -> dict[str, float]:
        best = self._best_of(report)
        diverged = best[DIVERGED_SHARE] if has_diverged(best) else 0.0
        collapse = {COLLAPSE: report[COLLAPSE]} if COLLAPSE in report else {}
        return {DIVERGED: diverged, **collapse}

    def _best_of(self, report: Mapping[str, float]) -> Mapping[str, float]:
        """What was reported where it was the best so far of `report`."""
        return self.report_at(int(report[BEST_STEP])) or report

    def _violation(self, report: Mapping[str, float]) -> float:
        return sum(max(0.0, value) for value in self._constraints(report).values())


class Listener:
    """Follows a search. Called from the loop that keeps the workers busy: must return at once."""

    def trial_started(self, record: Record) -> None:
        pass

    def trial_reported(self, record: Record) -> None:
        pass

    def trial_ended(self, record: Record) -> None:
        pass


def has_diverged(metrics: Mapping[str, float]) -> bool:
    return metrics[DIVERGED_SHARE] >= DIVERGED_FROM
