"""The distance against closed forms and an independent implementation; the interval's coverage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from tune_am.am.frechet import bootstrap_interval, frechet_distance


def normal(n: int, d: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return shift + scale * torch.randn(n, d, generator=generator, dtype=torch.float64)


def exactly(mean: Tensor, std: Tensor, n: int, seed: int) -> Tensor:
    """[n, D] whose sample mean and covariance are `mean` and diag(std^2), to round-off."""
    x = normal(n, len(mean), seed)
    q = torch.linalg.qr(x - x.mean(0)).Q  # orthogonal columns of zero mean
    return mean + q * (n - 1) ** 0.5 * std


def test_one_dimension_by_hand() -> None:
    x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([2.0, 6.0, 10.0, 14.0])
    by_hand = (2 - 8) ** 2 + (1 - (80 / 3) ** 0.5) ** 2
    assert frechet_distance(x, y) == pytest.approx(by_hand, rel=1e-12)
    assert frechet_distance(x[:, None], y[:, None]) == pytest.approx(by_hand, rel=1e-12)


def test_diagonal_covariances() -> None:
    m1, m2 = torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([1.0, 1.0, 0.0]).double()
    s1, s2 = torch.tensor([1.0, 2.0, 0.0]).double(), torch.tensor([3.0, 0.5, 4.0]).double()
    closed = (m1 - m2).square().sum() + (s1 - s2).square().sum()
    x, y = exactly(m1, s1, 40, seed=0), exactly(m2, s2, 25, seed=1)
    assert frechet_distance(x, y) == pytest.approx(float(closed), rel=1e-10)


@pytest.mark.parametrize("d", [1, 4, 60])
def test_equal_sets_are_at_no_distance(d: int) -> None:
    x = normal(30, d, seed=2, scale=100.0, shift=1e3)
    distance = frechet_distance(x, x[torch.randperm(30)])
    assert 0 <= distance < 1e-8


@pytest.mark.parametrize("d", [1, 5, 60])
def test_is_symmetric_and_moves_with_a_shift(d: int) -> None:
    x, y = normal(30, d, seed=3), normal(20, d, seed=4, scale=2.0)
    distance = frechet_distance(x, y)
    assert frechet_distance(y, x) == pytest.approx(distance, rel=1e-10)
    far = frechet_distance(x + 7, y) - (x.mean(0) + 7 - y.mean(0)).square().sum()
    assert float(far) == pytest.approx(distance - float((x.mean(0) - y.mean(0)).square().sum()))


@pytest.mark.parametrize(("n", "m", "d"), [(200, 150, 8), (1000, 30, 20), (30, 20, 64)])
def test_equals_an_independent_implementation(n: int, m: int, d: int) -> None:
    mix = normal(d, d, seed=5)  # correlated coordinates
    x, y = normal(n, d, seed=6) @ mix, normal(m, d, seed=7, shift=0.5)
    moments = [(s.mean(0), torch.cov(s.T)) for s in (x, y)]
    ours = frechet_distance(x, y)
    # tr sqrt(S1 S2) by the symmetric form and a matrix root of another library. With n < D
    # the root is of a singular matrix: good to the square root of round-off.
    (m1, c1), (m2, c2) = [(mean.numpy(), cov.numpy()) for mean, cov in moments]
    root = np.real(linalg.sqrtm(c1))
    values = np.linalg.eigvalsh(root @ c2 @ root).clip(min=0)
    theirs = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2) - 2 * np.sqrt(values).sum()
    assert ours == pytest.approx(theirs, rel=1e-6 if min(n, m) > d else 1e-4)


def test_fewer_samples_than_dimensions_in_closed_form() -> None:
    """Covariances of rank one: with unit directions u, v the cross term is s t |u . v|."""
    d = 500
    u, v = torch.eye(d)[0].double(), (torch.eye(d)[0] + torch.eye(d)[1]).double() / 2**0.5
    x = torch.tensor([[-1.0], [1.0]]).double() * u  # two samples, variance 2 along u
    y = torch.tensor([[-3.0], [3.0]]).double() * v  # variance 18 along v
    closed = 2 + 18 - 2 * 2**0.5 * 18**0.5 / 2**0.5
    assert frechet_distance(x, y) == pytest.approx(closed, rel=1e-12)


def test_is_computed_in_float64() -> None:
    x, y = normal(40, 1, seed=8, shift=1e4).float(), normal(40, 1, seed=9, shift=1e4).float()
    expected = frechet_distance(x.double() - 1e4, y.double() - 1e4)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        (torch.ones(1), torch.ones(3), "n >= 2"),
        (torch.ones(3), torch.ones(1, 1), "n >= 2"),
        (torch.ones(3, 2, 2), torch.ones(3), "n >= 2"),
        (torch.tensor([1.0, torch.nan]), torch.ones(3), "non-finite"),
        (torch.ones(3), torch.tensor([1.0, torch.inf]), "non-finite"),
        (torch.ones(3, 2), torch.ones(3, 4), "2 and 4 dimensions"),
    ],
)
def test_refuses_what_has_no_distance(x: Tensor, y: Tensor, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        frechet_distance(x, y)


@pytest.mark.parametrize(
    ("mean", "std", "longest"),
    [(0.0, 1.0, 0.8), (0.2, 1.0, 0.85), (0.4, 1.0, 0.9), (3.0, 1.0, 1.0), (1.0, 2.0, 1.5)],
)
def test_interval_covers_the_true_distance(mean: float, std: float, longest: float) -> None:
    """At least 91 % of 250 simulated pairs of 50, three standard errors below the nominal 95 %.

    And no longer than need be: `longest` bounds the mean length on the root scale, where an
    interval that knew the direction of the difference would be 0.8 long (1.0 in the last case).
    """
    true = mean**2 + (std - 1) ** 2
    hits, lengths = 0, []
    for seed in range(250):
        x, y = normal(50, 1, 2 * seed)[:, 0], normal(50, 1, 2 * seed + 1, std, mean)[:, 0]
        low, high = bootstrap_interval(x, y, resamples=400, seed=seed)
        assert 0 <= low <= frechet_distance(x, y) <= high
        hits += low <= true <= high
        lengths.append(high**0.5 - low**0.5)
    assert hits / 250 >= 0.91
    assert np.mean(lengths) < longest


def test_interval_is_seeded_narrows_with_the_level_and_needs_one_dimension() -> None:
    x, y = normal(50, 1, 0)[:, 0], normal(50, 1, 1, shift=2.0)[:, 0]
    wide, again = bootstrap_interval(x, y, seed=3), bootstrap_interval(x, y, seed=3)
    assert wide == again
    assert wide != bootstrap_interval(x, y, seed=4)
    low, high = bootstrap_interval(x, y, level=0.5)
    assert wide[0] < low < high < wide[1]
    with pytest.raises(ValueError, match="one neuron"):
        bootstrap_interval(normal(50, 2, 0), normal(50, 2, 1))


def test_intervals_of_values_in_groups_cover_the_true_distance() -> None:
    """Five moments of each of ten songs are hardly more than ten values."""
    of = torch.arange(10).repeat_interleave(5)
    held = {"told": 0, "not told": 0}
    for seed in range(150):
        x, songs, rest = (normal(n, 1, 3 * seed + i)[:, 0] for i, n in enumerate((50, 10, 50)))
        y = 0.9**0.5 * songs[of] + 0.1**0.5 * rest
        for name, groups in (("told", (None, of)), ("not told", (None, None))):
            low, high = bootstrap_interval(x, y, resamples=300, seed=seed, groups=groups)
            held[name] += low <= 0 <= high
    assert held["told"] / 150 > 0.82
    assert held["not told"] / 150 < 0.72
