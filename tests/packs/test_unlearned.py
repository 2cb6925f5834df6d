"""Priors without a network, against the closed forms that they promise."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.am.toys import Linear
from tune_am.am.ascent import Ascent
from tune_am.am.settings import Settings
from tune_am.errors import UserError
from tune_am.packs.neuron import Neuron
from tune_am.packs.prior import Prior
from tune_am.packs.statistics import InputStatistics
from tune_am.packs.unlearned import UNLEARNED, FourierPrior, RawPrior, prior_kind

COVARIANCE = torch.tensor([[4.0, 1.0, 0.0], [1.0, 2.0, -1.0], [0.0, -1.0, 1.0]]).double()
MEAN = torch.tensor([1.0, -2.0, 0.5]).double()


def statistics(*sizes: int, low: float = -1e3, high: float = 1e3) -> InputStatistics:
    return InputStatistics((3, *sizes), MEAN, COVARIANCE, low, high)


def drawn(prior: Prior, n: int) -> Tensor:
    return prior(prior.sample(n, torch.Generator().manual_seed(0))).double()


def test_raw_latents_are_standardised_inputs() -> None:
    prior = RawPrior.of(statistics(4, 5))
    assert prior.latent_shape == (3, 4, 5)
    z = prior.sample(7, torch.Generator().manual_seed(0))
    std = COVARIANCE.diagonal().sqrt()
    expected = MEAN[:, None, None] + std[:, None, None] * z.double()
    torch.testing.assert_close(prior(z).double(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        prior(torch.zeros(1, 3, 4, 5)).double(), MEAN.view(1, 3, 1, 1).expand(1, 3, 4, 5)
    )


@pytest.mark.parametrize("kind", list(UNLEARNED))
def test_inputs_stay_within_the_range_of_real_ones(kind: str) -> None:
    prior = UNLEARNED[kind].of(statistics(8, low=-2.5, high=1.25))
    x = drawn(prior, 200)
    assert (float(x.min()), float(x.max())) == (-2.5, 1.25)
    assert prior_kind(prior) == kind


@pytest.mark.parametrize("sizes", [(16,), (15,), (6, 8), (7, 5), (1, 4)])
def test_fourier_latents_make_a_field_of_real_covariance(sizes: tuple[int, ...]) -> None:
    prior = FourierPrior.of(statistics(*sizes))
    x = drawn(prior, 20000)
    positions = math.prod(sizes)
    mean, values = x.mean(0).flatten(1), (x - x.mean(0)).flatten(2)
    torch.testing.assert_close(mean, MEAN[:, None].expand(3, positions), atol=0.06, rtol=0)
    for place in range(positions):  # the same everywhere: the field is stationary
        found = values[..., place].T @ values[..., place] / len(values)
        torch.testing.assert_close(found, COVARIANCE, atol=0.15, rtol=0)


@pytest.mark.parametrize("sizes", [(16,), (15,), (6, 8), (7, 5)])
def test_fourier_power_falls_with_the_square_of_the_frequency(sizes: tuple[int, ...]) -> None:
    prior = FourierPrior((1, *sizes))
    x = drawn(prior, 20000)
    axes = tuple(range(2, x.dim()))
    power = torch.fft.fftn(x, dim=axes).abs().square().mean((0, 1))
    grids = torch.meshgrid(*[torch.fft.fftfreq(n).double() for n in sizes], indexing="ij")
    frequency = sum(grid.square() for grid in grids).sqrt().clamp_min(1 / max(sizes))
    share = power * frequency.square()
    torch.testing.assert_close(share / share.mean(), torch.ones_like(share), atol=0.06, rtol=0)


@pytest.mark.parametrize("kind", list(UNLEARNED))
def test_a_default_of_float64_changes_no_dtype(kind: str) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        prior = UNLEARNED[kind].of(statistics(6))
        x = prior(prior.sample(2, torch.Generator().manual_seed(0)))
    finally:
        torch.set_default_dtype(torch.float32)
    assert x.dtype == torch.float32


def test_a_vector_has_no_frequencies() -> None:
    with pytest.raises(UserError, match=r"shape \[3\] have no Fourier prior.*use raw"):
        FourierPrior((3,))


def test_an_ascent_on_raw_inputs_reaches_the_optimum_of_a_linear_unit() -> None:
    """max w.(m + s z) - l2 |z|^2 is at z = s w / (2 l2)."""
    prior, l2 = RawPrior.of(statistics()), 0.5
    classifier = Linear()
    ascent = Ascent(prior, classifier, Neuron("unit", 0, "unit"), Settings(lr=0.1, l2=l2), 4, 0)
    ascent.advance(400)
    best = COVARIANCE.diagonal().sqrt() * classifier.unit.weight[0].double() / (2 * l2)
    torch.testing.assert_close(ascent.latents.double(), best.expand(4, 3), atol=1e-3, rtol=1e-3)
