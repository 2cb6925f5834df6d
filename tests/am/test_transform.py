from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tune_am.am.transform import Transform, blurred, total_variation
from tune_am.packs.positions import SPECTROGRAM, positions_of

NEAR = SPECTROGRAM.near
FREE = Transform(jitter=1, gain=1)  # what it is asked for is drawn by hand


def test_shift_moves_in_time_and_repeats_the_edge() -> None:
    x = torch.arange(5.0).expand(3, 2, 5)
    moved = FREE(x, torch.tensor([[2], [0], [-9]]), torch.zeros(3))
    assert moved[:, 0].tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 3, 4], [4, 4, 4, 4, 4]]
    assert torch.equal(moved[:, 0], moved[:, 1])


def test_gain_is_added_to_each_input() -> None:
    x = torch.zeros(2, 3, 4)
    louder = FREE(x, torch.zeros(2, 1, dtype=torch.int64), torch.tensor([0.5, -1.0]))
    assert louder[:, 0, 0].tolist() == [0.5, -1.0]


def test_draws_fill_the_range_asked_for() -> None:
    shift, gain = Transform(jitter=2, gain=0.5).draw(4000, torch.Generator().manual_seed(0))
    assert shift.unique().tolist() == [-2, -1, 0, 1, 2]
    assert 0.49 < gain.max() <= 0.5
    assert -0.5 <= gain.min() < -0.49
    assert abs(gain.mean()) < 0.03


def test_gradients_pass_through_to_the_frames_shown() -> None:
    x = torch.zeros(1, 1, 4, requires_grad=True)
    FREE(x, torch.tensor([[1]]), torch.zeros(1)).sum().backward()
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
    np.testing.assert_allclose(blurred(x, deviation, NEAR), expected, atol=1e-12)


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
    assert total_variation(torch.tensor(x), NEAR).tolist() == expected


@pytest.mark.parametrize(
    ("entry", "shape", "moved", "near"),
    [
        ({"domain": "log-mel"}, (80, 115), (-1,), (-2, -1)),
        ({"units": "log-mel, natural log"}, (80, 115), (-1,), (-2, -1)),
        ({"domain": "image"}, (28, 28), (-2, -1), (-2, -1)),
        ({"domain": "image"}, (3, 28, 28), (-2, -1), (-2, -1)),
        ({"domain": "curve"}, (400,), (-1,), (-1,)),
        ({"domain": "curve"}, (1, 400), (-1,), (-1,)),
        ({}, (6, 400), (-1,), (-1,)),  # six sensors, which are no neighbours
        ({}, (6, 4, 4, 4), (-3, -2, -1), (-3, -2, -1)),
        ({"domain": "image"}, (20,), (), ()),  # features
        ({}, (20,), (), ()),
    ],
)
def test_where_an_input_has_positions(
    entry: dict[str, str], shape: tuple[int, ...], moved: tuple, near: tuple
) -> None:
    found = positions_of(entry, shape)
    assert (found.moved, found.near) == (moved, near)


def test_a_picture_is_moved_along_rows_and_columns() -> None:
    transform = Transform(jitter=2, gain=0, positions=positions_of({"domain": "image"}, (1, 3, 3)))
    x = torch.arange(9.0).view(1, 1, 3, 3)
    moved = transform(x, torch.tensor([[1, -1]]), torch.zeros(1))
    assert moved[0, 0].tolist() == [[1, 2, 2], [1, 2, 2], [4, 5, 5]]
    shift, _ = transform.draw(2000, torch.Generator().manual_seed(0))
    assert len(shift.unique(dim=0)) == 25


def test_features_and_channels_are_not_mixed() -> None:
    none = Transform(jitter=2, gain=0, blur=1.0, positions=positions_of({}, (3,)))
    assert none.is_identity
    x = torch.tensor([[10.0, 20.0, 30.0]])
    assert torch.equal(none(x, *none.draw(1, torch.Generator().manual_seed(0))), x)
    assert total_variation(x, none.positions.near).tolist() == [0]
    sensors = torch.tensor([[[0.0] * 4, [5.0] * 4]])
    near = positions_of({}, (2, 4)).near
    assert torch.allclose(blurred(sensors, 1.0, near), sensors)
    assert total_variation(sensors, near).tolist() == [0]


def test_the_draws_of_one_axis_are_those_of_always() -> None:
    """What a seed gives for spectrograms does not change."""
    shift, gain = Transform(jitter=3, gain=0.5).draw(8, torch.Generator().manual_seed(7))
    generator = torch.Generator().manual_seed(7)
    assert torch.equal(shift[:, 0], torch.randint(-3, 4, (8,), generator=generator))
    assert torch.equal(gain, 0.5 * (2 * torch.rand(8, generator=generator) - 1))
