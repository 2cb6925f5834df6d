"""Problems small enough to solve by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tune_am.am.ascent import Ascent
from tune_am.am.settings import Settings
from tune_am.packs.neuron import Neuron
from tune_am.packs.prior import Prior

WEIGHT = (3.0, -1.0, 0.5)
UNIT = Neuron("unit", 0, "unit")


class IdentityPrior(Prior):
    """The latent is the input."""

    latent_shape = (len(WEIGHT),)

    def forward(self, z: Tensor) -> Tensor:
        return z


class Linear(nn.Module):
    """a = w . z: with the penalty l2 |z|^2 the optimum is w / (2 l2)."""

    def __init__(self, weight: tuple[float, ...] = WEIGHT, bias: float = 0.0) -> None:
        super().__init__()
        self.unit = nn.Linear(len(weight), 1)
        with torch.no_grad():
            self.unit.weight.copy_(torch.tensor([weight]))
            self.unit.bias.fill_(bias)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.unit(x)
        return output


class Smooth(nn.Module):
    """Convolutions without a kink: round-off moves the gradient by round-off, wherever one is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv1d(1, 16, 3, padding=1)
        self.second = nn.Conv1d(16, 16, 3, padding=1)
        self.unit = nn.Linear(16 * len(WEIGHT), 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.second(torch.tanh(self.first(x[:, None]))))
        output: Tensor = self.unit(hidden.flatten(1))
        return output


class Cliff(Linear):
    """`Linear`, but with no answer (NaN) where the first coordinate exceeds 2."""

    def __init__(self) -> None:
        super().__init__()
        self.cliff = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.cliff(self.unit(x) / (x[:, :1] <= 2) * (x[:, :1] <= 2))


class Rectified(Linear):
    """Flat (no gradient) wherever w . z + bias is negative."""

    def __init__(self, bias: float) -> None:
        super().__init__(bias=bias)
        self.rectified = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.rectified(self.unit(x))


def ascend(
    classifier: nn.Module,
    settings: Settings,
    steps: int,
    *,
    starts: int = 6,
    layer: str = "unit",
    direction: str = "max",
) -> Ascent:
    """An ascent on one of the problems above, `steps` steps in."""
    neuron = Neuron(layer, 0, layer)
    ascent = Ascent(IdentityPrior(), classifier, neuron, settings, starts, 0, direction)
    ascent.advance(steps)
    return ascent
