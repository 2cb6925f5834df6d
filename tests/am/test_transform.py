from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tune_am.am.transform import Transform, blurred, total_variation, transformed


def test_shift_moves_in_time_and_repeats_the_edge() -> None:
    x = torch.arange(5.0).expand(3, 2, 5)
    moved = transformed(x, torch.tensor([2, 0, -9]), torch.zeros(3))
    assert moved[:, 0].tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4], [4, 4, 4, 4, 4]]
    assert torch.equal(moved[:, 0], moved[:, 1])


def test_gain_is_added_to_each_input() -> None:
    x = torch.zeros(2, 3, 4)
    assert transformed(x, torch.zeros(2, dtype=torch.int64), torch.tensor([0.5, -1.0]))[
        :, 0, 0
    ].tolist() == [0.5, -1.0]


def test_draws_fill_the_range_asked_for() -> None:
    shift, gain = Transform(jitter=2, gain=0.5).draw(4000, torch.Generator().manual_seed(0))
    assert sorted(set(shift.tolist())) == [-2, -1, 0, 1, 2]
    assert 0.49 < gain.max() <= 0.5
    assert -0.5 <= gain.min() < -0.49
    assert abs(gain.mean()) < 0.03


def test_gradients_pass_through_to_the_frames_shown() -> None:
    x = torch.zeros(1, 1, 4, requires_grad=True)
    transformed(x, torch.tensor([1]), torch.zeros(1)).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [2, 1, 1, 0]


@pytest.mark.parametrize("deviation", [0.0, 0.4, 1.0, 2.5])
@pytest.mark.parametrize("shape", [(9,), (7, 9), (3, 7, 9)])
def test_blur_is_that_of_scipy(shape: tuple[int, ...], deviation: float) -> None:
    x = torch.randn(2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    deviations = (0, *[0] * (len(shape) - 2), *[deviation] * min(2, len(shape)))
    # SciPy rounds the reach, we round it up.
    reach = np.ceil(3 * deviation) / deviation if deviation else 1
    expected = gaussian_filter(x.numpy(), deviations, mode="nearest", truncate=reach)
    np.testing.assert_allclose(blurred(x, deviation), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([[1.0, 3.0, 3.0]], [4.0]),  # one axis
        ([[[1.0, 3.0], [2.0, 0.0]]], [4 + 4 + 1 + 9]),  # two
        ([[[[0.0, 0.0]], [[5.0, 6.0]]]], [1.0]),  # channels are no neighbours
        ([[[2.0] * 4] * 3, [[2.0] * 4] * 3], [0.0, 0.0]),
    ],
)
def test_total_variation_by_hand(x: list, expected: list[float]) -> None:
    assert total_variation(torch.tensor(x)).tolist() == expected
