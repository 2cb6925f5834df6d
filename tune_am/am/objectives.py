"""What a search may ask of its settings: names, labels and directions, the one place for them.

How each is measured is in `tune_am.am.measures`; nothing here imports torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tune_am.errors import UserError

# Reported in place of a distance by a trial that diverged. Finite: a NaN is never stopped by ASHA
# and is refused by Optuna. Larger than most scores, but not than any: KID is of the sixth power of
# the activations. Such a trial comes last all the same, for it breaks a constraint (`Record`).
DIVERGED_PENALTY = 1e30

ACTIVATION_FID, LAYER_FID = "activation_fid", "layer_fid"

# What a score of a user's own is called in metrics, where its own name has signs that are not
# allowed.
USER_SCORE = "user_score"

# The k-th neighbours of coverage and precision, as Naeem et al. recommend.
NEIGHBOURS = 5


@dataclass(frozen=True)
class Objective:
    """A score of the kept examples against the real ones.

    name: as `--objective` has it. label: in prose and tables. maximise: whether more is better; a
    distance is minimised. squared: whether it is the square of a distance. bounds: what it cannot
    leave. fewest: examples that it needs, its interval included. others: of a search by several
    those that come after this one, the first.
    """

    name: str
    label: str
    about: str
    maximise: bool = False
    squared: bool = False
    bounds: tuple[float, float] = (-math.inf, math.inf)
    fewest: int = 3
    others: tuple[Objective, ...] = ()

    @property
    def asked(self) -> str:
        """As `--objective` has it, with those after it."""
        return ",".join(each.name for each in self.every)

    @property
    def every(self) -> tuple[Objective, ...]:
        """This one and those after it, each by itself."""
        return replace(self, others=()), *self.others

    @property
    def second(self) -> Objective:
        """What decides between settings that this one cannot tell apart: that asked for next, else
        the distance at the layer before, which no search has minimised unless it is the first."""
        return self.others[0] if self.others else OBJECTIVES[LAYER_FID]

    @property
    def metric(self) -> str:
        """The metric that a trial reports: the best so far."""
        return USER_SCORE if self.foreign else self.name

    @property
    def now(self) -> str:
        """The metric of the examples kept now."""
        return f"{self.metric}_now"

    @property
    def beside(self) -> str:
        """The metric of the examples kept now in a search that another objective leads."""
        return self.now if self.name == ACTIVATION_FID else self.metric

    @property
    def foreign(self) -> bool:
        """Whether it is a function of the user's, "module:function"."""
        return ":" in self.name

    @property
    def direction(self) -> str:
        """As Optuna calls it."""
        return "maximize" if self.maximise else "minimize"

    @property
    def rooted(self) -> bool:
        """Whether it has a root to draw: a square that is never below 0."""
        return self.squared and self.bounds[0] == 0

    @property
    def best_is(self) -> str:
        return "highest" if self.maximise else "lowest"

    @property
    def worst(self) -> float:
        """What a trial that diverged counts with: finite, and hardly better than any score."""
        return 0.0 if self.maximise else DIVERGED_PENALTY

    def loss(self, value: float | None) -> float:
        """`value` turned so that lower is better; None, no score, is worse than any."""
        if value is None:
            return math.inf
        return -value if self.maximise else value

    def distance(self, value: float) -> float:
        """How far `value` is from the best there is, on the scale on which an ascent covers equal
        ways in equal times: squares have roots drawn, shares are what is missing to 1."""
        if self.squared:
            return math.sqrt(max(0.0, value))
        return self.bounds[1] - value if self.maximise else value

    def floor(self, control: Mapping[str, Any]) -> float | None:
        """The score that a control of real excerpts against real ones shows to be as good as real.

        An unbiased one is 0 on average, whatever it is of, so that its mean says nothing: of it the
        upper end of the interval. None where there is no such control.
        """
        if self.squared and self.bounds[0] < 0 and control.get("ci95"):
            return float(control["ci95"][1])
        return control.get(self.metric)

    @property
    def nearest(self) -> float:
        """The least that `distance` can be."""
        return -math.inf if self.foreign else 0.0


_LAYER = "at the layer before the neuron's"

OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective(
            ACTIVATION_FID,
            "activation-FID",
            "Fréchet distance of the neuron's activations",
            squared=True,
            bounds=(0.0, math.inf),
            fewest=2,
        ),
        Objective(
            LAYER_FID,
            "layer-FID",
            f"Fréchet distance {_LAYER}",
            squared=True,
            bounds=(0.0, math.inf),
        ),
        Objective("kid", "KID", f"unbiased squared kernel distance {_LAYER}", squared=True),
        Objective(
            "coverage",
            "coverage",
            f"share of real excerpts with an example in their neighbourhood, {_LAYER}",
            maximise=True,
            bounds=(0.0, 1.0),
            fewest=NEIGHBOURS + 2,
        ),
        Objective(
            "precision",
            "precision",
            f"share of examples in the neighbourhood of a real excerpt, {_LAYER}",
            maximise=True,
            bounds=(0.0, 1.0),
            fewest=NEIGHBOURS + 2,
        ),
    )
}

DEFAULT = OBJECTIVES[ACTIVATION_FID]


def objective(names: str) -> Objective:
    """The objective called `names`, or the first of several with commas, which has the others;
    "module:function" is a score of the user's. Raises `UserError`."""
    first, *others = asked = [_one(name.strip()) for name in names.split(",")]
    for place, each in enumerate(asked):
        if each.metric in (before.metric for before in asked[:place]):
            what = "two functions of your own: one" if each.foreign else f"{each.name} twice: each"
            raise UserError(f"objective {names!r} has {what} is allowed once")
    return replace(first, others=tuple(others), fewest=max(each.fewest for each in asked))


def _one(name: str) -> Objective:
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    module, _, function = name.partition(":")
    if all(part.isidentifier() for part in (*module.split("."), function)):
        return Objective(name, name, "a score of your own")
    raise UserError(
        f"unknown objective {name!r}; allowed: {', '.join(OBJECTIVES)}, or MODULE:FUNCTION of a "
        "function score(kept, reference) of your own"
    )
