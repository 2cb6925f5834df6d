from __future__ import annotations

import pytest
import torch
from torch import nn

from tune_am.am.neuron import Neuron, Tap, layer_before, read_activations
from tune_am.errors import UserError

ALIASES = {"vocal": "fc9:0"}
LAYERS = {"conv4": 8, "fc8": 64, "fc9": 1}


@pytest.mark.parametrize(
    ("text", "neuron"),
    [
        ("vocal", Neuron("fc9", 0, "vocal")),
        ("fc8:12", Neuron("fc8", 12, "fc8:12")),
        ("conv4:0", Neuron("conv4", 0, "conv4:0")),
    ],
)
def test_parse(text: str, neuron: Neuron) -> None:
    assert Neuron.parse(text, ALIASES, LAYERS) == neuron


@pytest.mark.parametrize(
    "text", ["", "vocals", "fc8", "fc8:", "fc8:64", "fc8:-1", "fc8:1.0", "fc8:²", "fc7:0", ":0"]
)
def test_an_unknown_neuron_gets_the_list(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Neuron.parse(text, ALIASES, LAYERS)
    line = str(caught.value)
    assert repr(text) in line
    assert "vocal, conv4:0-7, fc8:0-63, fc9:0" in line


def test_the_layer_before() -> None:
    assert layer_before("fc9", list(LAYERS)) == "fc8"
    assert layer_before("conv4", list(LAYERS)) == "conv4"


class Network(nn.Module):
    """One of each kind of layer; its output has no unit dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv1d(1, 3, 2), nn.ReLU())
        self.dense = nn.Linear(12, 2)
        self.last = nn.Flatten(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dense(self.inner(x[:, None]).flatten(1))
        return self.last(x.sum(1))


def test_tap_reads_layers_before_their_nonlinearity_and_averages_positions() -> None:
    network, x = Network(), torch.randn(4, 5)
    seen = Tap(network, ["dense", "inner.0", "last"])(x)
    assert list(seen) == ["dense", "inner.0", "last"]
    conv = network.inner[0](x[:, None])
    assert (conv < 0).any(), "the test needs what the nonlinearity would change"
    torch.testing.assert_close(seen["inner.0"], conv.mean(2))
    torch.testing.assert_close(seen["dense"], network.dense(conv.relu().flatten(1)))
    torch.testing.assert_close(seen["last"], network(x)[:, None])


def test_tap_leaves_no_hook_behind_even_when_the_network_fails() -> None:
    network = Network()
    tap = Tap(network, ["dense"])
    tap(torch.randn(2, 5))
    with pytest.raises(RuntimeError):
        tap(torch.randn(2, 9))
    assert not any(module._forward_hooks for module in network.modules())


def test_reading_in_chunks_is_reading() -> None:
    network, x = Network(), torch.randn(7, 5)
    chunked = read_activations(network, ["dense"], x, chunk=3)["dense"]
    torch.testing.assert_close(chunked, Tap(network, ["dense"])(x)["dense"])
    assert not chunked.requires_grad
