"""The settings that a search liked best: scored again, and which of them is the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from tune_am.am.measures import NORMAL_95, LeftOut
from tune_am.am.objectives import DEFAULT, Objective
from tune_am.am.score import BEST_STEP, inputs_of
from tune_am.am.settings import Settings
from tune_am.packs.pack import Pack
from tune_am.tuning.defaults import RESCORED, RESCORED_FRONT
from tune_am.tuning.pareto import Standing, best_first
from tune_am.tuning.record import Record


@dataclass(frozen=True)
class Candidate:
    """A setting to score again, at the step where it was best in the search."""

    number: int
    settings: Settings
    step: int
    search_scores: dict[str, float]  # by metric
    objective: Objective = DEFAULT

    @classmethod
    def of(cls, record: Record) -> Candidate:
        """Of a record that has a score."""
        step = int(record.reports[-1][BEST_STEP])
        scores = {metric: score for metric, score in record.scores.items() if score is not None}
        return cls(record.number, record.settings, step, scores, record.objective)


@dataclass(frozen=True, eq=False)
class Rescored:
    """scores: by all objectives and both Fréchet distances, by metric. ci95: of the first
    objective's; second_left_out: of what decides where that cannot (`Objective.second`), None of
    too few examples. latents: [n, *latent_shape]. activations: [n]. distance: mean RMS difference
    of two examples; collapse: how much less than asked for it is, as a share."""

    candidate: Candidate
    scores: dict[str, float]
    ci95: tuple[float, float]
    latents: Tensor
    activations: Tensor
    second_left_out: LeftOut | None = None
    distance: float = 0.0
    collapse: float = 0.0

    @property
    def score(self) -> float:
        return self.scores[self.candidate.objective.metric]

    @property
    def loss(self) -> float:
        return self.candidate.objective.loss(self.score)

    @property
    def standing(self) -> Standing:
        every = self.candidate.objective.every
        return self.collapse, tuple(each.loss(self.scores[each.metric]) for each in every)

    @property
    def second(self) -> float:
        """The loss that decides between rows that the first objective cannot tell apart."""
        second = self.candidate.objective.second
        return second.loss(self.scores[second.metric])

    def surely_behind(self, other: Rescored) -> bool:
        """Whether it is worse than `other` by the second measure, by more than chance makes it."""
        mine, theirs = self.second_left_out, other.second_left_out
        if self is other or mine is None or theirs is None:
            return False
        return self.second - other.second > NORMAL_95 * mine.deviation_from(theirs)

    def inputs(self, pack: Pack) -> Tensor:
        """Inputs [n, *input_shape], on the CPU."""
        return inputs_of(pack, self.latents.to(pack.device)).cpu()


def candidates(records: Sequence[Record], n: int = RESCORED) -> list[Candidate]:
    """The `n` best trials, the best first; of trials with equal settings the best one only. By
    several objectives `RESCORED_FRONT` of the front and of those behind it, as far apart as can be,
    the best by the first objective first."""
    order = [records[i] for i in best_first([r.standing_at(r.step) for r in records])]
    best: dict[Settings, Record] = {}
    for record in order:
        best.setdefault(record.settings, record)
    if order and order[0].objective.others:
        n = RESCORED_FRONT
    chosen = sorted(list(best.values())[:n], key=lambda record: record.standing)
    return [Candidate.of(record) for record in chosen]


def ranked(rows: Sequence[Rescored]) -> list[Rescored]:
    """The best first: the best score, unless a setting that cannot be told from it is clearly
    better by a second one, with 95 % confidence.

    A score within the 95 % interval of the best is as good as that. Among such settings one may
    match the neuron's activation by examples like the real ones, another by what merely drives it;
    the layer before the neuron's, in all its dimensions, sees the difference. Where several
    objectives were asked for the second of these is asked. All settings have the same starts and
    real excerpts, so that their differences are surer than their scores are. Between those that
    neither can tell apart the score decides. Where examples are to be apart, settings whose fresh
    ones are not come last.
    """
    if collapsed := [row for row in rows if row.collapse > 0]:
        apart = [row for row in rows if row.collapse <= 0]
        last = sorted(collapsed, key=lambda row: (row.collapse, row.loss))
        return [*(ranked(apart) if apart else []), *last]
    best = min(rows, key=lambda row: row.loss)
    objective = best.candidate.objective
    highest = max(best.loss, *map(objective.loss, best.ci95))
    tied = [row for row in rows if row.loss <= highest]
    nearest = min(tied, key=lambda row: row.second)
    near = [row for row in tied if not row.surely_behind(nearest)]
    return [
        *sorted(near, key=lambda row: row.loss),
        *sorted((row for row in tied if row not in near), key=lambda row: row.second),
        *sorted((row for row in rows if row not in tied), key=lambda row: row.loss),
    ]
