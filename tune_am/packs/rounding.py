"""Whether networks compute the same once their weights are stored in fewer bits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tune_am.errors import UserError
from tune_am.packs.agreement import agree
from tune_am.packs.ascendable import drawn
from tune_am.packs.device import device_of
from tune_am.packs.neuron import read_activations
from tune_am.packs.prior import Prior
from tune_am.packs.reference import Reference

# Inputs by which they are compared, and so many at once.
_DRAWN, _AT_ONCE = 16, 4

# How far off they may be, in deviations. Of a unit that hardly varies this share of its layer's
# deviation counts instead: a constant is rounded too.
_TOLERANCE, _STILL = 0.1, 0.1


@torch.no_grad()
def expect_precise(
    dtype: torch.dtype,
    given: tuple[Prior, nn.Module],
    stored: tuple[Prior, nn.Module],
    reference: Reference,
) -> None:
    """`UserError` where a layer of the stored classifier, or the stored prior, is further off than
    real inputs let it be overlooked. Both are pairs of a prior and a classifier.

    Of a network that draws random numbers, and of a layer that is the same for all real inputs,
    nothing can be told.
    """
    (prior, classifier), (rounded_prior, rounded) = given, stored
    z = drawn(prior, _DRAWN)
    x = _inputs(prior, z)
    if agree(_inputs(prior, z), x):
        deviation = _rms(x - x.mean(0))
        _expect(dtype, "the prior's output", _inputs(rounded_prior, z.cpu()), x, deviation)
    layers = list(reference.activations)
    expected, again = (
        read_activations(classifier, layers, x.to(device_of(classifier)), _AT_ONCE)
        for _ in range(2)
    )
    found = read_activations(rounded, layers, x, _AT_ONCE)
    for layer, real in reference.activations.items():
        deviation = real.cpu().std(0, correction=0)
        deviation = deviation.maximum(_STILL * _rms(deviation))
        if deviation.any() and agree(again[layer], expected[layer]):
            what = f"the classifier's layer {layer!r}"
            _expect(dtype, what, found[layer], expected[layer].cpu(), deviation)


def _inputs(prior: Prior, z: Tensor) -> Tensor:
    return torch.cat([prior(part) for part in z.split(_AT_ONCE)]).cpu()


def _expect(
    dtype: torch.dtype, what: str, found: Tensor, expected: Tensor, deviation: Tensor
) -> None:
    """deviation: [units], for activations [n, units]; [], of all numbers, for inputs."""
    error = found - expected
    off = _rms(error) if deviation.dim() == 0 else error.square().mean(0).sqrt()
    if (off <= _TOLERANCE * deviation).all():
        return
    worst = float((off / deviation).max())
    raise UserError(
        f"{what} is {worst:.2g} of its deviation off with weights of {dtype}: leave dtype out"
    )


def _rms(values: Tensor) -> Tensor:
    return values.square().mean().sqrt()
