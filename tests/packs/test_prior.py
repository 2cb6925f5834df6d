from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from tune_am.packs.prior import GeneratorPrior, truncated_normal


def sample(n: int, scale: float = 1.0, truncation: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return GeneratorPrior(nn.Identity(), 4).sample(n, generator, scale, truncation)


@pytest.mark.parametrize(
    ("scale", "truncation", "law"),
    [
        (1.0, 0.0, stats.norm()),
        (0.5, 0.0, stats.norm(scale=0.5)),
        (1.0, 0.7, stats.truncnorm(-0.7, 0.7)),
        (2.0, 2.0, stats.truncnorm(-2, 2, scale=2)),
    ],
)
def test_starts_follow_the_law_asked_for(scale: float, truncation: float, law) -> None:
    starts = sample(5000, scale, truncation)
    assert starts.shape == (5000, 4)
    assert starts.dtype == torch.float32
    assert stats.kstest(starts.flatten().numpy(), law.cdf).pvalue > 0.01
    if truncation:
        assert starts.abs().max() <= scale * truncation


def test_starts_at_all_settings_are_the_same_points_squeezed() -> None:
    plain, scaled, cut = sample(50), sample(50, scale=2.0), sample(50, truncation=1.0)
    torch.testing.assert_close(scaled, 2 * plain)
    assert torch.equal(cut.flatten().argsort(), plain.flatten().argsort())


def test_the_rarest_draws_stay_finite() -> None:
    edges = truncated_normal(torch.tensor([0.0, 1 - 2**-53, 1.0]).double(), 0.0)
    assert torch.isfinite(edges).all()
    assert (edges.abs() > 8).all()
