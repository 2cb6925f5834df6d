"""What counts as the same output of a network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tune_am.errors import UserError
from tune_am.packs.agreement import expect_each_alone, expect_one_answer, expect_same


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


def read(network: nn.Module):  # type: ignore[no-untyped-def]
    return lambda x: {"it": network(x).detach()}


@pytest.mark.parametrize("tracked", [True, False])
def test_what_depends_on_its_batch_is_refused(tracked: bool) -> None:
    norm = nn.BatchNorm2d(2, track_running_stats=tracked).eval()
    x = torch.randn(3, 2, 4, 4)
    if tracked:
        expect_each_alone(read(norm), x)
        return
    with pytest.raises(UserError, match="it is not the same for one alone as in a batch: let") as e:
        expect_each_alone(read(norm), x)
    assert "\n" not in str(e.value)


def test_what_takes_no_single_input_is_refused() -> None:
    norm = nn.BatchNorm1d(4, track_running_stats=False).eval()
    with pytest.raises(UserError, match="it cannot be read for one alone: ValueError: Expected"):
        expect_each_alone(read(norm), torch.randn(3, 4))


def test_random_numbers_are_no_batch() -> None:
    def draw(x: Tensor) -> dict[str, Tensor]:
        return {"it": x + torch.rand_like(x)}

    expect_each_alone(draw, torch.randn(3, 4))
    before = torch.get_rng_state()
    expect_one_answer(draw, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(torch.get_rng_state(), before)


def test_what_counts_its_calls_gives_two_answers() -> None:
    calls = []

    def count(x: Tensor) -> dict[str, Tensor]:
        calls.append(x)
        return {"it": x + len(calls)}

    with pytest.raises(UserError, match="it gives two answers for one input: does") as caught:
        expect_one_answer(count, torch.ones(3, 4))
    assert "\n" not in str(caught.value)
    expect_one_answer(lambda x: {"it": x / 0 * 0}, torch.ones(3, 4))  # NaN is another's to tell
