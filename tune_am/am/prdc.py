"""Precision, recall, density and coverage: how two sets of features lie in one another.

Precision and recall after Kynkäänniemi et al. (2019, arXiv:1904.06991), density and coverage after
Naeem et al. (2020, arXiv:2002.09797): a set's manifold is the union of the balls round its points
that reach as far as their k-th nearest neighbour in the set.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tune_am.am.objectives import NEIGHBOURS


def prdc(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> dict[str, float]:
    """Measures of the points ``fake: [m, D]`` against ``real: [n, D]``, in float64.

    precision: share of fake points in the manifold of the real ones. recall: share of real points
    in the manifold of the fake ones. density: in how many real balls a fake point lies, over k; it
    may exceed 1. coverage: share of real balls that hold a fake point; two sets of one
    distribution and size have 1 - 1 / 2^k expected, nearly.

    Raises:
        ValueError: a set of at most k points, which have no k-th neighbour.
    """
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"sets of {len(real)} and {len(fake)} have no {k} neighbours for each")
    real, fake = real.double(), fake.double()
    apart = torch.cdist(real, fake)
    in_real = apart <= _reach(real, k)[:, None]
    in_fake = apart <= _reach(fake, k)[None]
    return {
        "precision": float(in_real.any(dim=0).double().mean()),
        "recall": float(in_fake.any(dim=1).double().mean()),
        "density": float(in_real.double().sum(dim=0).mean()) / k,
        "coverage": float(in_real.any(dim=1).double().mean()),
    }


def _reach(points: Tensor, k: int) -> Tensor:
    """Distance [n] of each of ``points: [n, D]`` to its k-th nearest other."""
    apart = torch.cdist(points, points).fill_diagonal_(torch.inf)
    return apart.kthvalue(k, dim=1).values
