"""The rows that every result is read against."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.am.ascent import Ascent, default_chunk
from tune_am.am.neuron import read_activations
from tune_am.am.pack import Pack
from tune_am.am.plan import Plan
from tune_am.am.reference import TAIL, Target
from tune_am.am.score import inputs_of, pairwise_distance
from tune_am.am.settings import Settings

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
    """The same ascent on a classifier that learnt nothing, its examples scored by the true one.

    Close to a result's own row, it says that the examples show the prior, not the neuron.
    """
    kept = random_classifier_latents(pack, plan.fresh("random classifier"), settings, step)
    return against_references(pack, [plan], inputs_of(pack, kept))[0]


def random_classifier_latents(pack: Pack, plan: Plan, settings: Settings, step: int) -> Tensor:
    """What that ascent keeps, [n, *latent_shape]: `plan.seed` draws the weights and the starts."""
    ascent = Ascent(
        pack.prior,
        with_random_weights(pack.classifier, plan.seed),
        pack.neuron(plan.neuron),
        settings,
        starts=plan.starts,
        seed=plan.seed,
        direction=plan.direction,
        device=pack.device,
        chunk=plan.at_once,
    )
    ascent.advance(step)
    return ascent.kept_latents[torch.isfinite(ascent.kept_activations)]


def real_vs_real(pack: Pack, plan: Plan, n: int = TAIL, examples: int | None = None) -> Control:
    """Two disjoint random halves of the `2 n` most exciting real excerpts: the noise floor.

    The mean score over many splits; the interval holds 95 % of the splits. examples: how many of
    the one half stand for the examples, where those are fewer; the fewer, the higher the score.
    """
    neuron, measure = pack.neuron(plan.neuron), plan.measure()
    real = pack.reference.target(neuron, plan.direction, 2 * n)
    generator = torch.Generator().manual_seed(plan.fresh("real against real").seed)
    rows = []
    for _ in range(SPLITS):
        one, other = torch.randperm(2 * n, generator=generator).chunk(2)
        halves = (Target(*(values[half] for values in real)) for half in (one[:examples], other))
        rows.append(measure.scores(*halves))
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


def with_random_weights(network: nn.Module, seed: int) -> nn.Module:
    """A copy whose weight tensors are drawn anew, normal with each tensor's own mean and deviation.

    Buffers (the standardisation of the input) and single numbers, which have no deviation, stay.
    """
    generator = torch.Generator().manual_seed(seed)
    copy = deepcopy(network)
    for weight in copy.parameters():
        if weight.numel() > 1:
            values = weight.detach().cpu()
            drawn = values.mean() + values.std() * torch.randn(values.shape, generator=generator)
            weight.data.copy_(drawn)
    return copy


def against_references(pack: Pack, plans: Sequence[Plan], inputs: Tensor) -> list[Control]:
    """`inputs: [n, *input_shape]` as the true classifier hears them, against the real tail of each
    plan's neuron; the classifier runs once for all."""
    neurons = [pack.neuron(plan.neuron) for plan in plans]
    layers = [(neuron.layer, pack.reference.layer_before(neuron.layer)) for neuron in neurons]
    every = sorted({layer for pair in layers for layer in pair})
    if len(inputs):
        chunk = default_chunk(inputs.device, len(inputs))
        heard = read_activations(pack.classifier, every, inputs, chunk)
    else:  # not every network takes an empty batch
        heard = {layer: torch.empty(0, pack.layers[layer]) for layer in every}
    return [
        _control(pack, plan, Target(neuron.read(heard[own]), heard[before]))
        for plan, neuron, (own, before) in zip(plans, neurons, layers, strict=True)
    ]


def _control(pack: Pack, plan: Plan, examples: Target) -> Control:
    measure = plan.measure()
    finite = torch.isfinite(examples.activations) & torch.isfinite(examples.before).all(1)
    examples = Target(*(values[finite] for values in examples))
    if len(examples.activations) < measure.objective.fewest:
        worst = measure.objective.worst
        return {
            **measure.penalties(),
            "ci95": (worst, worst),
            "activation_mean": 0.0,
            "n": len(examples.activations),
        }
    target = pack.reference.target(pack.neuron(plan.neuron), plan.direction)
    return {
        **measure.scores(examples, target),
        "ci95": measure.interval(examples, target, plan.seed),
        "activation_mean": float(examples.activations.mean()),
        "n": len(examples.activations),
    }
