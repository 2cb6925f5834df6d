"""The networks of the vocal pack: detector (classifier), generator (prior) and discriminator."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

FLOOR = 1e-7  # the smallest magnitude of the front end
LOG_FLOOR = math.log(FLOOR)

BATCH = 32  # excerpts at once on a CPU; more only leaves the caches


class Detector(nn.Module):
    """Singing-voice detector of Schlüter & Grill (2015), "SVDNet" in Mishra et al. (2019).

    Valid convolutions 3x3 (conv1, conv2, max pool 3x3, conv4, conv5, max pool 3x3), then dense
    layers fc7, fc8, fc9; leaky ReLU 0.01, dropout 0.5 before each dense layer. The input is
    standardised per band inside the network, so that it is called on what the front end gives.

    With ``batch_norm`` (for training) each convolution is followed by batch normalisation;
    ``folded()`` turns that into the published network without it, which computes the same.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 32, 128, 64),
        dense: Sequence[int] = (256, 64),
        shape: Sequence[int] = (80, 115),
        batch_norm: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        c1, c2, c4, c5 = channels
        bands, frames = shape
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))
        self.conv1 = nn.Conv2d(1, c1, 3)
        self.conv2 = nn.Conv2d(c1, c2, 3)
        self.conv4 = nn.Conv2d(c2, c4, 3)
        self.conv5 = nn.Conv2d(c4, c5, 3)
        norms = [nn.BatchNorm2d(c) if batch_norm else nn.Identity() for c in channels]
        self.norm1, self.norm2, self.norm4, self.norm5 = norms
        height, width = (((size - 4) // 3 - 4) // 3 for size in (bands, frames))
        self.fc7 = nn.Linear(c5 * height * width, dense[0])
        self.fc8 = nn.Linear(dense[0], dense[1])
        self.fc9 = nn.Linear(dense[1], 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel ``x: [n, bands, frames]`` -> logit of singing at the centre frame ``[n]``."""
        x = ((x - self.mean[:, None]) / self.std[:, None])[:, None]
        # Leaky ReLU rises, so it may as well come after the pooling, where a ninth is left of it.
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.01)
        x = F.leaky_relu(F.max_pool2d(self.norm2(self.conv2(x)), 3), 0.01)
        x = F.leaky_relu(self.norm4(self.conv4(x)), 0.01)
        x = F.leaky_relu(F.max_pool2d(self.norm5(self.conv5(x)), 3), 0.01)
        x = F.leaky_relu(self.fc7(self.dropout(x.flatten(1))), 0.01)
        x = F.leaky_relu(self.fc8(self.dropout(x)), 0.01)
        return self.fc9(self.dropout(x)).squeeze(1)

    @torch.no_grad()
    def folded(self) -> dict[str, Tensor]:
        """State of the same network without batch normalisation (its evaluation mode folded in)."""
        state = {
            name: tensor.clone(memory_format=torch.contiguous_format)
            for name, tensor in self.state_dict().items()
            if not name.startswith("norm")
        }
        for name in ("1", "2", "4", "5"):
            norm = self.get_submodule(f"norm{name}")
            if isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                state[f"conv{name}.weight"] *= scale[:, None, None, None]
                bias = state[f"conv{name}.bias"]
                state[f"conv{name}.bias"] = (bias - norm.running_mean) * scale + norm.bias
        return state


class Generator(nn.Module):
    """Latent -> log-mel excerpt by 1-D convolutions over time, the bands as channels.

    A dense layer makes ``frames_in`` steps in time; each stage doubles them (nearest neighbour)
    and convolves; the last convolution emits standardised bands, which are scaled back to
    log-mel and floored where the front end floors. Time is cropped to ``frames``.
    """

    def __init__(
        self,
        latent: int = 128,
        channels: int = 256,
        kernel: int = 5,
        stages: int = 3,
        bands: int = 80,
        frames: int = 115,
    ) -> None:
        super().__init__()
        self.latent, self.channels, self.frames = latent, channels, frames
        self.frames_in = -(-frames // 2**stages)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))
        self.dense = nn.Linear(latent, channels * self.frames_in)
        self.convs = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in range(stages + 1)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(stages + 1))
        self.out = nn.Conv1d(channels, bands, kernel, padding=kernel // 2)

    def forward(self, z: Tensor) -> Tensor:
        """``z: [n, latent]`` -> log-mel ``[n, bands, frames]``, at least log 1e-7."""
        return self._log_mel(self._crop(self.out(self._hidden(z))))

    def _hidden(self, z: Tensor) -> Tensor:
        """``[n, channels, at least frames]``, before the last convolution."""
        x = self.dense(z).view(len(z), self.channels, self.frames_in)
        for stage, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            if stage > 0:
                x = x.repeat_interleave(2, dim=2)
            x = F.leaky_relu(norm(conv(x)), 0.2)
        return x

    def _crop(self, x: Tensor) -> Tensor:
        start = (x.shape[2] - self.frames) // 2
        return x[:, :, start : start + self.frames]

    def _log_mel(self, x: Tensor) -> Tensor:
        """Standardised bands back to log-mel."""
        return (x * self.std[:, None] + self.mean[:, None]).clamp_min(LOG_FLOOR)


class Discriminator(nn.Module):
    """Log-mel excerpt -> realness, by spectrally normalised 1-D convolutions over time."""

    # A spectrally normalised layer followed by leaky ReLU 0.2 halves the signal's power or worse;
    # without a gain the score of a deep stack shrinks to nothing and so does its gradient.
    GAIN = 2.0

    def __init__(
        self, channels: int = 256, kernel: int = 5, stages: int = 3, bands: int = 80
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(bands))
        self.register_buffer("std", torch.ones(bands))
        pad = kernel // 2
        layers = [nn.Conv1d(bands, channels, kernel, padding=pad)]
        for _ in range(stages):
            layers.append(nn.Conv1d(channels, channels, kernel, stride=2, padding=pad))
        layers.append(nn.Conv1d(channels, channels, kernel, padding=pad))
        self.convs = nn.ModuleList(spectral_norm(layer) for layer in layers)
        self.score = spectral_norm(nn.Conv1d(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel ``x: [n, bands, frames]`` -> realness ``[n]``, the mean over time."""
        x = (x - self.mean[:, None]) / self.std[:, None]
        for conv in self.convs:
            x = F.leaky_relu(self.GAIN * conv(x), 0.2)
        return self.GAIN * self.score(x).mean(dim=(1, 2))
