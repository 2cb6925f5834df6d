from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

from tune_am.am.layout import _SingleChannelConv2d, laid_out
from tune_am.vocal.nets import Detector


def gradient(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_()
    output = network(x)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return output.detach(), torch.autograd.grad((weights * output).sum(), x)[0]


@pytest.mark.parametrize(
    "network",
    [
        Detector(channels=(4, 4, 8, 8), dense=(16, 8)),
        nn.Sequential(nn.Unflatten(1, (1, 80)), nn.Conv2d(1, 5, (2, 4), bias=False), nn.ReLU()),
        nn.Sequential(nn.Unflatten(1, (1, 80)), nn.Conv2d(1, 5, 3, padding=1, stride=2)),
        nn.Sequential(nn.Unflatten(1, (1, 8, 10)), nn.Conv3d(1, 2, (2, 3, 4)), nn.ReLU()),
    ],
    ids=["detector", "uneven-kernel", "padded", "3-d"],
)
def test_computes_the_same_and_leaves_the_original_alone(network: nn.Module) -> None:
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
            module.reset_parameters()
    network.double().eval().requires_grad_(False)
    x = torch.randn(3, 80, 115, dtype=torch.float64)
    before = {name: type(module) for name, module in network.named_modules()}
    copy = laid_out(network)
    for ours, theirs in zip(gradient(copy, x), gradient(network, x), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    assert before == {name: type(module) for name, module in network.named_modules()}


class Fewer(nn.Module):
    """A convolution in fewer bits, as autocast makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self.conv(x).relu().mean((2, 3))
        output: torch.Tensor = self.head(hidden.float())
        return output


@pytest.mark.parametrize("tracked", [True, False])
def test_is_left_alone_where_the_way_back_fails(tracked: bool) -> None:
    network, x = Fewer().requires_grad_(False), torch.rand(2, 1, 8, 8)
    with torch.set_grad_enabled(tracked):
        assert laid_out(network, x) is network
        plain = nn.Sequential(network.conv)
        assert laid_out(plain, x) is not plain


def test_a_network_that_cannot_be_copied_is_left_as_it_is() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    network.lock = threading.Lock()  # type: ignore[assignment]
    assert laid_out(network, torch.rand(2, 1, 5, 5)) is network


@pytest.mark.parametrize("padding", [0, 1], ids=["plain", "padded"])
def test_a_convolution_of_one_channel_gives_channels_last(padding: int) -> None:
    """PyTorch would give channels first, which the next convolution has to lay out anew."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=padding), nn.LeakyReLU(), nn.Conv2d(4, 2, 3))
    copy, seen = laid_out(network.requires_grad_(False)), []
    copy[1].register_forward_hook(lambda *call: seen.append(call[-1]))  # type: ignore[index]
    copy(torch.rand(2, 1, 8, 9))
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_only_plain_convolutions_of_one_channel_get_the_gradient_of_their_own() -> None:
    convs = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.Conv2d(1, 2, 3, padding=1), nn.Conv1d(1, 2, 3)
    )
    kinds = [isinstance(conv, _SingleChannelConv2d) for conv in laid_out(convs)]  # type: ignore[arg-type]
    assert kinds == [True, False, False, False]
