"""What counts as the same output of a network."""

from __future__ import annotations

import pytest
import torch

from tune_am.am.agreement import expect_same
from tune_am.errors import UserError


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_tolerance_is_a_share_of_the_largest(scale: float) -> None:
    one = scale * torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
    other = scale * torch.rand(3, 4, generator=torch.Generator().manual_seed(1))
    expect_same("it", one * (1 + 1e-5), one)
    with pytest.raises(UserError, match=r"it is .* off once stored: does the network draw random"):
        expect_same("it", other, one)
    with pytest.raises(UserError, match="is nan off"):
        expect_same("it", one * torch.nan, one)


def test_layers_that_are_zero_agree() -> None:
    expect_same("it", torch.full((2, 3), 1e-10), torch.zeros(2, 3))


def test_a_wrong_shape_is_one_line() -> None:
    with pytest.raises(UserError, match=r"it has the shape \[2, 3\], not \[1, 4\], once stored"):
        expect_same("it", torch.zeros(2, 3), torch.zeros(1, 4))
