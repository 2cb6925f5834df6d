"""From latents to inputs: where the ascent searches."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tune_am.packs.positions import SPECTROGRAM, Positions


class Prior(nn.Module, ABC):
    """Maps latents to inputs of the classifier, and draws the latents an ascent starts from.

    `latent_shape` is the shape of one latent, `positions` says along which axes an input may be
    shifted. Priors without a generator (raw inputs, Fourier
    coefficients) are in `tune_am.packs.unlearned`: the ascent asks for nothing else.
    """

    latent_shape: tuple[int, ...]
    positions: Positions = SPECTROGRAM

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """Inputs [n, *input_shape] of latents `z: [n, *latent_shape]`."""

    def sample(
        self, n: int, generator: torch.Generator, scale: float = 1.0, truncation: float = 0.0
    ) -> Tensor:
        """`n` starts [n, *latent_shape]: normal, cut at `truncation` deviations, times `scale`.

        Drawn on the CPU by inverting the distribution function, so that one state of `generator`
        gives the same starts on every device, and starts at different truncations and scales are
        the same points squeezed: settings are compared on common random numbers.
        """
        uniform = torch.rand(n, *self.latent_shape, generator=generator, dtype=torch.float64)
        return (scale * truncated_normal(uniform, truncation)).float()


class GeneratorPrior(Prior):
    """A trained generator (of a GAN, a VAE's decoder): latents [n, *latent] -> inputs."""

    def __init__(self, generator: nn.Module, latent: int | Sequence[int]) -> None:
        super().__init__()
        self.generator = generator
        self.latent_shape = (latent,) if isinstance(latent, int) else tuple(latent)

    def forward(self, z: Tensor) -> Tensor:
        # A copy: a generator may change its latents in place.
        inputs: Tensor = self.generator(z.clone())
        return inputs


def prior_of(network: nn.Module, latent: int | Sequence[int]) -> Prior:
    """The network itself if it is a prior, else that which has it as its generator."""
    return network if isinstance(network, Prior) else GeneratorPrior(network, latent).eval()


def truncated_normal(uniform: Tensor, truncation: float) -> Tensor:
    """Standard normal within +-`truncation` (0: everywhere) at the quantiles `uniform`, float64."""
    low = 0.5 * math.erfc(truncation / math.sqrt(2)) if truncation > 0 else 0.0
    # The bound keeps a draw of exactly 0 finite (8.2 deviations out).
    quantile = (low + (1 - 2 * low) * uniform).clamp(1e-16, 1 - 1e-16)
    return torch.special.ndtri(quantile)
