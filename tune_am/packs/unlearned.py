"""Priors that no network learnt: inputs themselves, and their Fourier coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tune_am.errors import UserError
from tune_am.packs.prior import Prior
from tune_am.packs.statistics import InputStatistics


class _Unlearned(Prior):
    """Inputs of `shape` from `low` to `high` (None: no bound); the clamp has no gradient beyond."""

    def __init__(
        self, shape: Sequence[int], low: float | None = None, high: float | None = None
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"shape": list(shape), "low": low, "high": high}
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(shape[0], dtype=torch.float32))

    def _input(self, centred: Tensor) -> Tensor:
        """Inputs of their differences [n, *shape] from the mean."""
        low, high = self.config["low"], self.config["high"]
        x = centred + _by_channel(self.mean, centred)
        return x if low is None and high is None else x.clamp(low, high)


class RawPrior(_Unlearned):
    """The latent is the standardised input: `mean + std * z`, by channel.

    The plain activation maximisation that a generator is compared with; the ascent's penalty on the
    latent is the usual L2 decay towards the mean input.
    """

    def __init__(
        self, shape: Sequence[int], low: float | None = None, high: float | None = None
    ) -> None:
        super().__init__(shape, low, high)
        self.latent_shape = tuple(shape)
        self.std: Tensor
        self.register_buffer("std", torch.ones(shape[0], dtype=torch.float32))

    @classmethod
    def of(cls, statistics: InputStatistics) -> RawPrior:
        prior = cls(statistics.shape, statistics.low, statistics.high)
        prior.mean.copy_(statistics.mean)
        prior.std.copy_(statistics.std)
        return prior.eval()

    def forward(self, z: Tensor) -> Tensor:
        return self._input(_by_channel(self.std, z) * z)


class FourierPrior(_Unlearned):
    """The latent are Fourier coefficients of decorrelated channels (Olah et al. 2017).

    z: [n, C, ..., W // 2 + 1, 2], real and imaginary parts of a real FFT over all axes but the
    first. They are scaled by 1 / frequency, the spectrum of natural pictures, and the channels then
    mixed by the root of the real inputs' covariance: a step in z moves low and high frequencies,
    common and rare colours alike. With z ~ N(0, I) the inputs are a stationary field of power
    1 / frequency² with the real mean and covariance of channels. The FFT is periodic, so opposite
    ends of an input meet.

    C. Olah, A. Mordvintsev, L. Schubert, "Feature Visualization", Distill 2017,
    doi:10.23915/distill.00007.
    """

    def __init__(
        self, shape: Sequence[int], low: float | None = None, high: float | None = None
    ) -> None:
        if len(shape) < 2:
            raise UserError(
                f"inputs of shape {list(shape)} have no Fourier prior: it needs an axis beside the "
                "channels; use raw"
            )
        super().__init__(shape, low, high)
        channels, self._sizes = shape[0], tuple(shape[1:])
        self.latent_shape = (channels, *self._sizes[:-1], self._sizes[-1] // 2 + 1, 2)
        self.mixing: Tensor
        self.scale: Tensor
        self.register_buffer("mixing", torch.eye(channels, dtype=torch.float32))
        self.register_buffer("scale", _scale(self._sizes), persistent=False)

    @classmethod
    def of(cls, statistics: InputStatistics) -> FourierPrior:
        prior = cls(statistics.shape, statistics.low, statistics.high)
        prior.mean.copy_(statistics.mean)
        prior.mixing.copy_(_root(statistics.covariance))
        return prior.eval()

    def forward(self, z: Tensor) -> Tensor:
        spectrum = torch.view_as_complex((z * self.scale.unsqueeze(-1)).contiguous())
        axes = tuple(range(2, 2 + len(self._sizes)))
        field = torch.fft.irfftn(spectrum, s=self._sizes, dim=axes, norm="ortho")
        return self._input(torch.einsum("cd,nd...->nc...", self.mixing, field))


UNLEARNED: dict[str, type[RawPrior] | type[FourierPrior]] = {
    "raw": RawPrior,
    "fourier": FourierPrior,
}


def prior_kind(prior: Prior) -> str:
    """What `--prior` calls it."""
    return next(
        (kind for kind, prior_type in UNLEARNED.items() if type(prior) is prior_type), "gan"
    )


def _by_channel(values: Tensor, like: Tensor) -> Tensor:
    """`values: [C]` to go with `like: [n, C, ...]`."""
    return values.view(-1, *[1] * (like.dim() - 2))


def _scale(sizes: Sequence[int]) -> Tensor:
    """What each coefficient of a real FFT over `sizes` is multiplied by.

    1 / frequency, that of the constant one as of the lowest, such that coefficients of N(0, 1) give
    a field of variance 1 at every position.
    """
    axes = [torch.fft.fftfreq(n, dtype=torch.float64) for n in sizes[:-1]]
    axes.append(torch.fft.rfftfreq(sizes[-1], dtype=torch.float64))
    squares = [axis.square() for axis in axes]
    total = squares[0]
    for axis in squares[1:]:
        total = total.unsqueeze(-1) + axis
    scale = 1 / total.sqrt().clamp_min(1 / max(sizes))
    # The FFT counts these columns twice: their conjugates are not stored.
    inner = slice(1, (sizes[-1] + 1) // 2)
    scale[..., inner] /= 2**0.5
    power = scale.square()
    power[..., inner] *= 4
    positions = torch.tensor(sizes).prod()
    return (scale * (positions / power.sum()).sqrt()).float()


def _root(covariance: Tensor) -> Tensor:
    """The symmetric root of `covariance: [C, C]`, also of one that is singular."""
    values, vectors = torch.linalg.eigh(covariance.double())
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
