"""Units are found wherever a module puts them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tune_am.packs.neuron import Tap
from tune_am.packs.outputs import by_unit


def test_units_come_after_the_batch() -> None:
    x = torch.randn(2, 5, 7)  # [n, time, features]
    linear = nn.Linear(7, 3)
    torch.testing.assert_close(by_unit(linear, linear(x)), linear(x).transpose(1, 2))
    lstm = nn.LSTM(7, 4, batch_first=True)
    torch.testing.assert_close(by_unit(lstm, lstm(x)), lstm(x)[0].transpose(1, 2))
    conv = nn.Conv1d(5, 6, 3)
    assert by_unit(conv, conv(x)).shape == (2, 6, 5)
    assert by_unit(nn.Identity(), torch.zeros(4)).shape == (4, 1)


def test_of_several_outputs_the_first_tensor_counts() -> None:
    one, other = torch.zeros(2, 3), torch.ones(2, 3)
    for output in ((one, other), [None, one], {"loss": None, "logits": (one, other)}):
        assert by_unit(nn.Identity(), output) is one
    with pytest.raises(TypeError, match="Identity gives str, not a tensor"):
        by_unit(nn.Identity(), "logits")


def test_a_layer_is_read_before_what_changes_it_in_place() -> None:
    class Inplace(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc, self.relu = nn.Conv2d(3, 4, 3), nn.Linear(4, 5), nn.ReLU(True)
            nn.init.constant_(self.fc.bias, -1.0)

        def forward(self, x: Tensor) -> tuple[Tensor, None]:
            return self.relu(self.fc(self.relu(self.conv(x)).mean((2, 3)))), None

    network, x = Inplace(), torch.randn(6, 3, 5, 5, requires_grad=True)
    seen = Tap(network, ["conv", "fc"])(x)
    before = network.conv(x)
    torch.testing.assert_close(seen["conv"], before.mean((2, 3)))
    torch.testing.assert_close(seen["fc"], network.fc(before.relu().mean((2, 3))))
    assert seen["fc"].min() < 0
    torch.autograd.grad(seen["fc"].sum() + seen["conv"].sum(), x)
