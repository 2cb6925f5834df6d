"""Small changes of the input that an explanation should survive, and how rough an input is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Transform:
    """Blur, then a shift in time and a gain, drawn anew for every start at every step.

    jitter: largest shift, frames. gain: largest gain, nats (the input is a natural logarithm).
    blur: standard deviation, positions.
    """

    jitter: int
    gain: float
    blur: float = 0.0

    @property
    def is_identity(self) -> bool:
        return self.jitter == 0 and self.gain == 0 and self.blur == 0

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Shifts [n] (whole frames) and gains [n] (nats), on the CPU."""
        shift = torch.randint(-self.jitter, self.jitter + 1, (n,), generator=generator)
        gain = self.gain * (2 * torch.rand(n, generator=generator) - 1)
        return shift, gain


def transformed(x: Tensor, shift: Tensor, gain: Tensor) -> Tensor:
    """`x: [n, ..., frames]` moved later by `shift: [n]` frames and raised by `gain: [n]` nats.

    The first or last frame fills the gap: nothing wraps round.
    """
    frames = x.shape[-1]
    source = (torch.arange(frames, device=x.device) - shift[:, None]).clamp(0, frames - 1)
    trailing = (-1, *[1] * (x.dim() - 2))
    moved = x.gather(-1, source.view(*trailing, frames).expand_as(x))
    return moved + gain.view(*trailing, 1)


def blurred(x: Tensor, deviation: float) -> Tensor:
    """`x: [n, ..., rows, columns]` blurred along its last two axes (`[n, columns]`: its last).

    By a Gaussian of that standard deviation, in positions, cut off at three of them; beyond the
    edges the outermost values go on. 0 changes nothing.
    """
    if deviation == 0:
        return x
    reach = math.ceil(3 * deviation)
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    kernel = torch.softmax(-0.5 * (offsets / deviation).square(), 0).view(1, 1, -1)
    for axis in _axes(x):
        lines = x.transpose(axis, -1)
        flat = F.pad(lines.reshape(-1, 1, lines.shape[-1]), (reach, reach), mode="replicate")
        x = F.conv1d(flat, kernel).view(lines.shape).transpose(axis, -1)
    return x


def total_variation(x: Tensor) -> Tensor:
    """Squared differences of neighbours along the last two axes, summed: `x: [n, ...]` -> [n].

    A. Mahendran, A. Vedaldi: Understanding deep image representations by inverting them. 2015,
    arXiv 1412.0035; with their β = 2.
    """
    squares = [x.diff(dim=axis).square().flatten(1).sum(1) for axis in _axes(x)]
    return torch.stack(squares).sum(0)


def _axes(x: Tensor) -> tuple[int, ...]:
    return (-2, -1) if x.dim() > 2 else (-1,)
