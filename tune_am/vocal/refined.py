"""The second half of the GAN: a generator that sharpens its draft, and what sees its harmonics."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from tune_am.vocal.checkpoint import load_trained
from tune_am.vocal.nets import Discriminator, Generator


class RefinedGenerator(Generator):
    """A `Generator` whose draft a few 2-D convolutions sharpen.

    1-D convolutions learn harmonics anew for every pitch; a 2-D one draws a ripple wherever in the
    bands it belongs. It sees the draft and `side` more planes of the generator's last features, and
    adds what is missing. As created it adds nothing.

    Args:
        side: planes beside the draft. width: channels of the 2-D convolutions.
        generator: arguments of `Generator`.
    """

    def __init__(self, side: int = 4, width: int = 8, **generator: Any) -> None:
        super().__init__(**generator)
        bands = self.out.out_channels
        self.side = nn.Conv1d(self.channels, side * bands, 1)
        last = nn.Conv2d(width, 1, 3, padding=1)
        self.refine = nn.ModuleList(
            [
                nn.Conv2d(1 + side, width, 5, padding=2),
                nn.Conv2d(width, width, 5, padding=2),
                last,
            ]
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        """``z: [n, latent]`` -> log-mel ``[n, bands, frames]``, at least log 1e-7."""
        hidden = self._hidden(z)
        draft = self.out(hidden)
        bands = draft.shape[1]
        x = torch.cat([draft[:, None], self.side(hidden).unflatten(1, (-1, bands))], dim=1)
        for conv in self.refine[:-1]:
            x = F.leaky_relu(conv(x), 0.2)
        return self._log_mel(self._crop(draft + self.refine[-1](x)[:, 0]))


class PlaneDiscriminator(nn.Module):
    """Log-mel excerpt -> realness, by spectrally normalised 2-D convolutions over bands and time.

    Each halves both; the last looks at all bands at once, for realness depends on where in the
    bands a thing is.
    """

    def __init__(self, channels: Sequence[int] = (32, 64, 128, 256), bands: int = 80) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))
        widths = (1, *channels)
        self.convs = nn.ModuleList(
            spectral_norm(nn.Conv2d(inner, outer, 4, stride=2, padding=1))
            for inner, outer in pairwise(widths)
        )
        rows = bands // 2 ** len(channels)
        self.score = spectral_norm(nn.Conv2d(channels[-1], 1, (rows, 3), padding=(0, 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel ``x: [n, bands, frames]`` -> realness ``[n]``, the mean over time."""
        x = ((x - self.mean[:, None]) / self.std[:, None])[:, None]
        for conv in self.convs:
            x = F.leaky_relu(Discriminator.GAIN * conv(x), 0.2)
        return Discriminator.GAIN * self.score(x).mean(dim=(1, 2, 3))


def load_generator(weights: Path) -> Generator:
    """The generator whose weights these are, a draft or a refined one, as `load_trained` does."""
    try:
        with safe_open(weights, "pt") as file:
            refined = "side.weight" in file.keys()  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError):
        refined = False  # and what is wrong with the file is said when it is loaded
    return load_trained(RefinedGenerator() if refined else Generator(), weights)
