"""Fréchet distance between two sets of activations, and how sure it is.

The squared Wasserstein-2 distance of the normal distributions fitted to both sets
(Dowson & Landau 1982), known as FID when the activations are those of an Inception network.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Distance between the sets `x: [n]` or `[n, D]` and `y: [m]` or `[m, D]`; float64 throughout.

    |m1 - m2|^2 + tr S1 + tr S2 - 2 tr sqrt(S1 S2) with unbiased covariances. For D = 1 that is
    (m1 - m2)^2 + (s1 - s2)^2. For D > 1, with centred A [n, D] / sqrt(n - 1) and B likewise,
    tr sqrt(S1 S2) is the nuclear norm of A B^T: no matrix root, and exact for n < D too.

    Raises `ValueError` on sets of fewer than two, of other shapes, or with a non-finite value.
    """
    x, y = _checked(x), _checked(y)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"sets of {x.shape[1]} and {y.shape[1]} dimensions have no distance")
    mean_term = (x.mean(0) - y.mean(0)).square().sum()
    if x.shape[1] == 1:
        return float(mean_term + (x.std() - y.std()).square())
    a, b = _root(x), _root(y)
    # The nuclear norm of A B^T through its R factors, which are at most D x D whatever n is.
    cross = torch.linalg.matrix_norm(_reduced(a) @ _reduced(b).T, ord="nuc")
    spread = a.square().sum() + b.square().sum() - 2 * cross
    return float(mean_term + spread.clamp(min=0))  # below zero by round-off only


def _checked(x: Tensor) -> Tensor:
    """A set as float64 [n, D]."""
    if x.dim() not in (1, 2) or x.shape[0] < 2:
        raise ValueError(f"a set is [n] or [n, D] with n >= 2, this one is {list(x.shape)}")
    if not torch.isfinite(x).all():
        raise ValueError("a set with a non-finite activation has no distance")
    return x.detach().cpu().double().reshape(x.shape[0], -1)


def _root(x: Tensor) -> Tensor:
    """A [n, D] with A^T A the unbiased covariance of `x: [n, D]`."""
    return (x - x.mean(0)) / (x.shape[0] - 1) ** 0.5


def _reduced(a: Tensor) -> Tensor:
    """R with the singular values and right vectors of `a: [n, D]`, no taller than it is wide."""
    return torch.linalg.qr(a, mode="r").R if a.shape[0] > a.shape[1] else a


def bootstrap_interval(
    x: Tensor, y: Tensor, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Confidence interval (low, high) of `frechet_distance(x, y)`."""
    x, y = _checked(x), _checked(y)
    generator = torch.Generator().manual_seed(seed)
    roots = torch.tensor(
        [
            frechet_distance(_resampled(x, generator), _resampled(y, generator)) ** 0.5
            for _ in range(resamples)
        ]
    )
    root = frechet_distance(x, y) ** 0.5
    reach = float((roots - root).abs().quantile(level))
    return max(0.0, root - reach) ** 2, (root + reach) ** 2


def _resampled(x: Tensor, generator: torch.Generator) -> Tensor:
    return x[torch.randint(len(x), (len(x),), generator=generator)]
