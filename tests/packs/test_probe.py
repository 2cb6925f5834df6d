"""Which layers are offered, and along which axis their units are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.packs.own_models import Dense
from tune_am.packs.outputs import by_unit
from tune_am.packs.probe import chosen_layers, units_of


class Encoder(nn.Module):
    """A container with a matrix of its own, as in torchvision's ViT: [n, 5, 8] -> [n, 5, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.pos_embedding, self.block = nn.Parameter(torch.zeros(1, 5, 8)), Dense(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.block(x + self.pos_embedding)
        return output


class Matrix(nn.Module):
    """Some module with a matrix and nothing within."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.ones(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.mixer, self.last = Encoder(), Matrix(8, 8), Matrix(8, 4)
        self.recurrent, self.norm = nn.GRU(8, 6, batch_first=True), nn.LayerNorm(8)
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(5, 3, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.mixer(self.encoder(x)))
        self.recurrent(x), self.conv(x)
        output: Tensor = self.last(x.mean(1))
        return output


def test_layers_offered_are_those_whose_units_are_beyond_doubt() -> None:
    network = Mixed().eval()
    units = units_of(network, torch.randn(3, 5, 8))
    expected = {"encoder.block": 8, "recurrent": 6, "conv": 3, "last": 4}
    assert chosen_layers(network, units, None) == expected
    asked = chosen_layers(network, units, ["mixer", "norm", "encoder"])
    assert asked == {"encoder": 5, "mixer": 5, "norm": 8}


class Placed(nn.Module):
    """Tokens [n, 3, 6] at places [3, 8], and time before the batch: neither is a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.emb, self.pos, self.gru = nn.Linear(6, 8), nn.Embedding(3, 8), nn.GRU(8, 4)
        self.loss, self.head = nn.Flatten(0), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.emb(x) + self.pos(torch.arange(3))
        self.loss(x.mean())
        output: Tensor = self.head(self.gru(x.transpose(0, 1))[0][-1])
        return output


def test_what_is_as_long_as_the_batch_by_chance_is_no_layer() -> None:
    network = Placed().eval()
    units = units_of(network, torch.randn(3, 3, 6))
    assert chosen_layers(network, units, None) == {"emb": 8, "head": 2}


class ChannelsFirst(nn.LayerNorm):
    """As torchvision's LayerNorm2d."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def test_a_layer_norm_of_ones_own_has_its_units_first() -> None:
    x = torch.randn(2, 4, 6, 6)
    for norm, units in ((ChannelsFirst(4), 4), (nn.LayerNorm(6), 6)):
        assert by_unit(norm, norm(x)).shape[1] == units
