"""Networks as users bring them."""

from __future__ import annotations

from typing import Any

import torch
import torchaudio
from torch import Tensor, nn


class Colours(nn.Module):
    """3 channels of 224 px: batch norm, activations in place, a `view`, a tuple as output."""

    def __init__(self, width: int = 8, classes: int = 5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 7, stride=8),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, stride=2),
            nn.ReLU(inplace=True),
        )
        self.relu = nn.ReLU(inplace=True)
        self.hidden, self.head = nn.Linear(width * 13 * 13, 6), nn.Linear(6, classes)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        x = self.features(x)
        hidden = self.relu(self.hidden(x.view(x.shape[0], -1)))
        return self.head(self.dropout(hidden)), {"hidden": hidden}


class Painter(nn.Module):
    """Latents [n, 4] -> pictures [n, *shape], 0 to 1."""

    def __init__(self, shape: tuple[int, ...] = (3, 224, 224)) -> None:
        super().__init__()
        self.shape = shape
        self.dense = nn.Linear(4, shape[0] * 7 * 7)

    def forward(self, z: Tensor) -> Tensor:
        small = self.dense(z).view(len(z), self.shape[0], 7, 7)
        return torch.sigmoid(nn.functional.interpolate(small, size=self.shape[1:]))


class Normed(nn.Module):
    """Latents [n, 3] -> inputs [n, 6], 0 to 1; other ones in training mode."""

    latent = 3

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Dropout(), nn.Sigmoid())

    def forward(self, z: Tensor) -> Tensor:
        output: Tensor = self.layers(z)
        return output


class Remembering(nn.Module):
    """Sequences [n, 5, 6] -> [n, 2], by what an LSTM remembers at their end."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(6, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.lstm(x)[0][:, -1])
        return output


class Overwriter(nn.Module):
    """Standardises what it is given in place."""

    def __init__(self, inputs: int = 6, outputs: int = 2) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(x.sub_(3.0).div_(2.0))
        return output


class Dense(nn.Linear):
    """A user's own kind of a layer of PyTorch's."""


class Tokens(nn.Module):
    """Tokens [n, 5, 8] with one of zeros before them: traced by its bytecode only, for `len`."""

    def __init__(self, kind: type[nn.Linear] = nn.Linear) -> None:
        super().__init__()
        self.emb, self.head = kind(8, 16), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.cat([torch.zeros(len(x), 1, 16), self.emb(x)], 1)
        output: Tensor = self.head(tokens.mean(1))
        return output


class Thrower(nn.Module):
    """Not the same twice: it cannot be stored as operations."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + torch.rand_like(x))


class Tied(nn.Module):
    """Two layers with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(6, 6), nn.Linear(6, 6)
        self.other.weight = self.one.weight

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.other(self.one(x).relu())
        return output


class Causal(nn.Module):
    """Sequences [n, 5, 6] -> [n, 5, 2]: attention with a mask of minus infinity."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.full((5, 5), -torch.inf).triu(1))
        self.attention, self.head = nn.MultiheadAttention(6, 2, batch_first=True), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.attention(x, x, x, attn_mask=self.mask)[0])
        return output


def wav2letter() -> nn.Module:
    """torchaudio's, with random weights, for 20 bands."""
    torch.manual_seed(0)
    return torchaudio.models.Wav2Letter(num_classes=10, input_type="mfcc", num_features=20)


class Listener(nn.Module):
    """torchaudio's wav2vec 2.0 with random weights, small, on signals [n, 1, samples]."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = torchaudio.models.wav2vec2_model(
            extractor_mode="layer_norm",
            extractor_conv_layer_config=[(8, 10, 5), (8, 3, 2)],
            extractor_conv_bias=True,
            encoder_embed_dim=12,
            encoder_projection_dropout=0.1,
            encoder_pos_conv_kernel=4,
            encoder_pos_conv_groups=2,
            encoder_num_layers=2,
            encoder_num_heads=2,
            encoder_attention_dropout=0.1,
            encoder_ff_interm_features=16,
            encoder_ff_interm_dropout=0.1,
            encoder_dropout=0.1,
            encoder_layer_norm_first=True,
            encoder_layer_drop=0.1,
            aux_num_out=5,
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        return self.model(x[:, 0])


# Arguments of `make_pack`, but `out`.
SMALL: dict[str, Any] = {
    "classifier": nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2)),
    "prior": "raw",
    "real_data": torch.randn(100, 6, generator=torch.Generator().manual_seed(0)),
    "neurons": {},
}


def pictures(n: int, *shape: int) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))


def describe() -> dict[str, object]:
    """What `python -m tune_am.make_pack tests.packs.own_models:describe` is told."""
    torch.manual_seed(0)
    return {
        "classifier": nn.Sequential(nn.Flatten(), nn.Linear(64, 3)),
        "prior": Painter((1, 8, 8)),
        "latent": 4,
        "real_data": pictures(120, 1, 8, 8),
        "neurons": {"second": "1:1"},
        "input": {"range": [0, 1]},
        "credits": "random numbers, CC0",
    }
