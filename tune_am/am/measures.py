"""How the objectives are measured, and how sure each is."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from numbers import Real

import torch
from torch import Tensor

from tune_am.am.frechet import bootstrap_interval, frechet_distance
from tune_am.am.objectives import (
    ACTIVATION_FID,
    DEFAULT,
    DIVERGED_PENALTY,
    LAYER_FID,
    NEIGHBOURS,
    Objective,
    objective,
)
from tune_am.am.prdc import prdc
from tune_am.errors import UserError, reason
from tune_am.naming import option
from tune_am.packs.reference import Target

Function = Callable[[Target, Target], float]

NORMAL_95 = 1.959963984540054  # quantile of the normal distribution that leaves 2.5 % above


@dataclass(frozen=True)
class Measure:
    """An objective that can be measured: `measure(kept, reference)`, both with the activations [n]
    of the neuron and those [n, D] of the layer before. others: in a search by several those after
    it."""

    objective: Objective
    function: Function
    others: tuple[Measure, ...] = ()

    def __call__(self, kept: Target, reference: Target) -> float:
        """Raises `UserError` where a function of the user's fails or gives no finite number."""
        if not self.objective.foreign:
            return self.function(kept, reference)
        name = self.objective.name
        try:  # on copies: it may compute in place
            value = self.function(kept.copied(), reference.copied())
        except Exception as error:
            raised = reason(error, kind=True)
            raise UserError(f"objective {name}: score(kept, reference) raised {raised}") from None
        if isinstance(value, Tensor) and value.numel() == 1:
            value = value.item()
        # Beyond the penalty its spread would be no number, and it would rank below what diverged.
        if not isinstance(value, Real) or not abs(value) < DIVERGED_PENALTY:
            shown = " ".join(repr(value).split())[:80]
            raise UserError(
                f"objective {name}: score(kept, reference) gave {shown}: it must return a finite "
                f"number within ±{DIVERGED_PENALTY:g}, lower being better"
            )
        return float(value)

    def interval(self, kept: Target, reference: Target, seed: int = 0) -> tuple[float, float]:
        """95 % interval (low, high) of the score.

        Of activation-FID for the true distance; of all others for the expected score of two sets of
        these sizes, by which rows of equal sizes are compared: the layer-FID of small sets is far
        above that of large ones. Examples of one group (`Target`) are taken together. A share of 0
        or 1 shows no spread; the rule of three gives the end, with the smaller set's groups.
        """
        if self.objective.name == ACTIVATION_FID:
            return bootstrap_interval(
                kept.activations,
                reference.activations,
                seed=seed,
                groups=(kept.independent, reference.independent),
            )
        value = self(kept, reference)
        low, high = self.objective.bounds
        if (low, high) == (0.0, 1.0) and value in (low, high):
            groups = (len(examples.independent.unique()) for examples in (kept, reference))
            reach = min(1.0, 3 / min(groups))
            return max(low, value - reach), min(high, value + reach)
        deviation = jackknife(self, kept, reference)
        reach = NORMAL_95 * deviation
        return max(low, value - reach), min(high, value + reach)

    @property
    def second(self) -> Measure:
        """What decides where this one cannot: see `Objective.second`."""
        if self.others:
            return self.others[0]
        return Measure(self.objective.second, _BUILT_IN[self.objective.second.name])

    def scores(self, kept: Target, reference: Target) -> dict[str, float]:
        """The score by each objective, and both Fréchet distances beside it, by their metrics."""
        scores = {name: _BUILT_IN[name](kept, reference) for name in (ACTIVATION_FID, LAYER_FID)}
        for each in (self, *self.others):
            if (metric := each.objective.metric) not in scores:
                scores[metric] = each(kept, reference)
        return scores

    def penalties(self) -> dict[str, float]:
        """The same of examples that are too few to be scored."""
        worst = dict.fromkeys((ACTIVATION_FID, LAYER_FID), DEFAULT.worst)
        return worst | {each.metric: each.worst for each in self.objective.every}


def measure(names: str = DEFAULT.name, trust_code: bool = False) -> Measure:
    """The objective called `names`, or several with commas, ready to be measured.

    A function of the user's is imported, which runs the code of whoever wrote it: only with
    `trust_code`. Raises `UserError`.
    """
    asked = objective(names)
    first, *others = (
        _imported(each.name, trust_code) if each.foreign else _BUILT_IN[each.name]
        for each in asked.every
    )
    return Measure(asked, first, tuple(map(Measure, asked.others, others)))


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy of `x: [n, D]` and `y: [m, D]`.

    With the kernel (a.b / D + 1)^3 that is the kernel Inception distance of Bińkowski et al. (2018,
    arXiv:1801.01401), over all examples at once. Being unbiased it may be negative.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"sets of {len(x)} and {len(y)} have no kernel distance: 2 are needed")
    x, y = x.cpu().double(), y.cpu().double()
    return float(_within(x) + _within(y) - 2 * _kernel(x, y).mean())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _within(x: Tensor) -> Tensor:
    """Mean kernel of two different examples."""
    kernel = _kernel(x, x)
    return (kernel.sum() - kernel.diagonal().sum()) / (len(x) * (len(x) - 1))


@dataclass(frozen=True)
class LeftOut:
    """Scores without one group of examples (`Target.independent`), for each of either set, [groups
    of the kept] and [groups of the reference]: the jackknife's."""

    kept: Tensor
    reference: Tensor

    @classmethod
    def of(cls, function: Function, kept: Target, reference: Target) -> LeftOut:
        of_kept = [function(rest, reference) for rest in _without_each(kept)]
        of_reference = [function(kept, rest) for rest in _without_each(reference)]
        return cls(*(torch.tensor(each, dtype=torch.float64) for each in (of_kept, of_reference)))

    @property
    def deviation(self) -> float:
        """Standard deviation of the score, each set being one sample (Efron and Stein 1981)."""
        return math.sqrt(_variance(self.kept) + _variance(self.reference))

    def deviation_from(self, other: LeftOut) -> float:
        """That of the difference to another score against the same reference, whose examples come
        from the same starts: what both have in common of chance is in neither's favour."""
        if len(self.kept) == len(other.kept):
            kept = _variance(self.kept - other.kept)
        else:  # some starts gave no example
            kept = _variance(self.kept) + _variance(other.kept)
        return math.sqrt(kept + _variance(self.reference - other.reference))


def jackknife(function: Function, kept: Target, reference: Target) -> float:
    """Standard deviation of a score, by `LeftOut`."""
    return LeftOut.of(function, kept, reference).deviation


def _without_each(examples: Target) -> Iterator[Target]:
    groups = examples.independent
    return (examples[groups != group] for group in groups.unique())


def _variance(scores: Tensor) -> float:
    return float((len(scores) - 1) * scores.var(correction=0))


def _prdc(kept: Target, real: Target) -> dict[str, float]:
    return prdc(real.before.cpu(), kept.before.cpu(), NEIGHBOURS)


_BUILT_IN: dict[str, Function] = {
    ACTIVATION_FID: lambda kept, real: frechet_distance(kept.activations, real.activations),
    LAYER_FID: lambda kept, real: frechet_distance(kept.before, real.before),
    "kid": lambda kept, real: kernel_distance(kept.before, real.before),
    "coverage": lambda kept, real: _prdc(kept, real)["coverage"],
    "precision": lambda kept, real: _prdc(kept, real)["precision"],
}


def _imported(name: str, trust_code: bool) -> Function:
    """The function "module:function"."""
    if not trust_code:
        add = option("trust_code", True)
        raise UserError(f"objective {name} is code: add {add} if you trust who wrote it")
    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")  # as for `python -m`, also where an entry point calls
    try:
        found = getattr(import_module(module), attribute)
    except Exception as error:  # importing runs code of which anything may fail
        raised = reason(error, kind=True)
        raise UserError(f"objective {name} cannot be imported: {raised}") from None
    finally:
        sys.path.remove("")
    if not callable(found):
        raise UserError(f"objective {name} is no function: write score(kept, reference)")
    function: Function = found
    return function
