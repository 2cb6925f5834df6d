"""The rows that every result is read against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tune_am.am.plan import Plan
from tune_am.am.random_classifier import ascended_latents
from tune_am.am.score import inputs_of, pairwise_distance
from tune_am.am.settings import Settings
from tune_am.packs.neuron import read_activations
from tune_am.packs.pack import Pack
from tune_am.packs.reference import TAIL, Target

# Random splits of the real tail over which `real_vs_real` is taken.
SPLITS = 200


# One row: the score that a trial reports, by the name of its metric; `ci95`, its 95 % interval;
# both Fréchet distances, `activation_fid` and `layer_fid`; `activation_mean`; and `n`, the examples
# behind it. Where those are too few to be scored, as a classifier of random weights may give no
# finite activation, the score is the objective's worst, both ends of its interval too.
Control = dict[str, Any]


def never_optimised(pack: Pack, plan: Plan, n: int = TAIL) -> Control:
    """`n` random latents, not ascended from: what the prior alone gives."""
    inputs = inputs_of(pack, never_optimised_latents(pack, plan, n))
    return against_references(pack, [plan], inputs)[0]


def never_optimised_latents(pack: Pack, plan: Plan, n: int = TAIL) -> Tensor:
    """The random latents [n, *latent_shape] of that control, the same for the same plan."""
    generator = torch.Generator().manual_seed(plan.fresh("never optimised").seed)
    return pack.prior.sample(n, generator).to(pack.device)


def random_distance(pack: Pack, plan: Plan) -> float:
    """Mean RMS difference of two inputs of that control, in units of the input."""
    return pairwise_distance(inputs_of(pack, never_optimised_latents(pack, plan)))


def random_classifier(pack: Pack, plan: Plan, settings: Settings, step: int) -> Control:
    """The same ascent on classifiers that learnt nothing, its examples scored by the true one.

    Close to a result's own row, it says that the examples show the prior, not the neuron. Its
    interval is over the classifiers (`tune_am.am.random_classifier`).
    """
    kept, of = ascended_latents(pack, plan.fresh("random classifier"), settings, step)
    return against_references(pack, [plan], inputs_of(pack, kept), of)[0]


def real_vs_real(pack: Pack, plan: Plan, n: int = TAIL, examples: int | None = None) -> Control:
    """Two disjoint random halves of the `2 n` most exciting real excerpts: the noise floor.

    The mean score over many splits; the interval holds 95 % of the splits. Groups of excerpts that
    are not independent stay together, so that halves are not quite equal. examples: how many of the
    one half stand for the examples, where those are fewer; the fewer, the higher the score.
    """
    neuron, measure = pack.neuron(plan.neuron), plan.measure()
    real = pack.reference.target(neuron, plan.direction, 2 * n)
    generator = torch.Generator().manual_seed(plan.fresh("real against real").seed)
    rows = []
    for _ in range(SPLITS):
        one, other = _halves(real.independent, generator)
        if examples is not None and examples < len(one):
            one = one[torch.randperm(len(one), generator=generator)[:examples]]
        rows.append(measure.scores(real[one], real[other]))
    scores = {
        name: torch.tensor([row[name] for row in rows], dtype=torch.float64) for name in rows[0]
    }
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = scores[measure.objective.metric].quantile(ends).tolist()
    return {
        **{name: float(values.mean()) for name, values in scores.items()},
        "ci95": (low, high),
        "activation_mean": float(real.activations.mean()),
        "n": n if examples is None else examples,
    }


def _halves(groups: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The indices of `groups: [n]` in two random parts that share no group, as equal as that
    allows."""
    order = torch.randperm(int(groups.max()) + 1, generator=generator)
    sizes = groups.bincount()[order].cumsum(0)
    first = order[: int((sizes - len(groups) / 2).abs().argmin()) + 1]
    mine = torch.isin(groups, first)
    return mine.nonzero().flatten(), (~mine).nonzero().flatten()


def against_references(
    pack: Pack, plans: Sequence[Plan], inputs: Tensor, groups: Tensor | None = None
) -> list[Control]:
    """`inputs: [n, *input_shape]` as the true classifier hears them, against the real tail of each
    plan's neuron; the classifier runs once for all. groups: [n], as of `Target`."""
    neurons = [pack.neuron(plan.neuron) for plan in plans]
    layers = [(neuron.layer, pack.reference.layer_before(neuron.layer)) for neuron in neurons]
    every = sorted({layer for pair in layers for layer in pair})
    if len(inputs):
        heard = read_activations(pack.classifier, every, inputs)
    else:  # not every network takes an empty batch
        heard = {layer: torch.empty(0, pack.layers[layer]) for layer in every}
    return [
        _control(pack, plan, Target(neuron.read(heard[own]), heard[before], groups))
        for plan, neuron, (own, before) in zip(plans, neurons, layers, strict=True)
    ]


def _control(pack: Pack, plan: Plan, examples: Target) -> Control:
    measure = plan.measure()
    finite = torch.isfinite(examples.activations) & torch.isfinite(examples.before).all(1)
    examples = examples[finite.cpu()]
    if len(examples) < measure.objective.fewest:
        worst = measure.objective.worst
        return {
            **measure.penalties(),
            "ci95": (worst, worst),
            "activation_mean": 0.0,
            "n": len(examples),
        }
    target = pack.reference.target(pack.neuron(plan.neuron), plan.direction)
    return {
        **measure.scores(examples, target),
        "ci95": measure.interval(examples, target, plan.seed),
        "activation_mean": float(examples.activations.mean()),
        "n": len(examples),
    }
