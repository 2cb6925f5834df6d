"""A classifier and a GAN of 8 x 8 digits, small enough for one core."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

LATENT = 16


class Classifier(nn.Module):
    """Pictures [n, 1, 8, 8], 0 to 1 -> logits of the ten digits [n, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.hidden = nn.Linear(32 * 4 * 4, 64)
        self.digit = nn.Linear(64, 10)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.hidden(self.dropout(x.flatten(1))))
        digits: Tensor = self.digit(self.dropout(x))
        return digits


class Generator(nn.Module):
    """Latents [n, 16] -> pictures [n, 1, 8, 8], 0 to 1."""

    latent = LATENT

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LATENT, 128),
            nn.BatchNorm1d(128),
            nn.ReLU(),
            nn.Linear(128, 256),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Linear(256, 64),
            nn.Sigmoid(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z).view(-1, 1, 8, 8)


class Critic(nn.Module):
    """Pictures [n, 1, 8, 8] -> how real they look [n]."""

    # Spectral norm and leaky ReLU shrink the signal layer by layer; without a gain the score of a
    # picture hardly depends on it.
    GAIN = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            spectral_norm(nn.Linear(inputs, outputs))
            for inputs, outputs in ((64, 256), (256, 256), (256, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        for layer in self.layers[:-1]:
            x = nn.functional.leaky_relu(self.GAIN * layer(x), 0.2)
        return self.GAIN * self.layers[-1](x).squeeze(1)
