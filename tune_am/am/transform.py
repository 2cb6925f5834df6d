"""Small changes of the input that an explanation should survive, and how rough an input is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from tune_am.packs.positions import SPECTROGRAM, Positions


@dataclass(frozen=True)
class Transform:
    """Blur, then a shift and a gain, drawn anew for every start at every step.

    jitter: largest shift, positions, along each axis that may be moved. gain: largest gain, added
    (nats where the input is a natural logarithm). blur: standard deviation, positions. What has no
    positions is not shifted or blurred.
    """

    jitter: int
    gain: float
    blur: float = 0.0
    positions: Positions = SPECTROGRAM

    @property
    def is_identity(self) -> bool:
        shifts = self.jitter and self.positions.moved
        return not (shifts or self.gain or (self.blur and self.positions.near))

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Shifts [n, moved axes] (whole positions) and gains [n], on the CPU."""
        shape = n, len(self.positions.moved)
        shift = torch.randint(-self.jitter, self.jitter + 1, shape, generator=generator)
        gain = self.gain * (2 * torch.rand(n, generator=generator) - 1)
        return shift, gain

    def __call__(self, x: Tensor, shift: Tensor, gain: Tensor) -> Tensor:
        """`x: [n, *input_shape]` blurred, moved by `shift: [n, moved axes]` towards the end of each
        axis, and raised by `gain: [n]`. The outermost values fill gaps: nothing wraps round."""
        x = blurred(x, self.blur, self.positions.near)
        for axis, by in zip(self.positions.moved, shift.T, strict=True):
            x = _moved(x, by, axis)
        return x + gain.view(-1, *[1] * (x.dim() - 1))


def _moved(x: Tensor, shift: Tensor, axis: int) -> Tensor:
    lines = x.transpose(axis, -1)
    length = lines.shape[-1]
    source = (torch.arange(length, device=x.device) - shift[:, None]).clamp(0, length - 1)
    source = source.view(-1, *[1] * (x.dim() - 2), length).expand_as(lines)
    return lines.gather(-1, source).transpose(axis, -1)


def _of(x: Tensor, axes: Sequence[int]) -> list[int]:
    """Those of `axes` that inputs `x: [n, *input_shape]` have."""
    return [axis for axis in axes if -axis < x.dim()]


def blurred(x: Tensor, deviation: float, axes: Sequence[int]) -> Tensor:
    """`x: [n, *input_shape]` blurred along `axes`, counted from the last.

    By a Gaussian of that standard deviation, in positions, cut off at three of them (at nine
    lengths of the axis); beyond the edges the outermost values go on. 0 changes nothing.
    """
    if deviation == 0:
        return x
    for axis in _of(x, axes):
        lines = x.transpose(axis, -1)
        reach = min(math.ceil(3 * deviation), 9 * lines.shape[-1])
        offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
        kernel = torch.softmax(-0.5 * (offsets / deviation).square(), 0).view(1, 1, -1)
        flat = F.pad(lines.reshape(-1, 1, lines.shape[-1]), (reach, reach), mode="replicate")
        x = F.conv1d(flat, kernel).view(lines.shape).transpose(axis, -1)
    return x


def total_variation(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Squared differences of neighbours along `axes`, summed: `x: [n, *input_shape]` -> [n].

    A. Mahendran, A. Vedaldi: Understanding deep image representations by inverting them. 2015,
    arXiv 1412.0035; with their β = 2. 0 where there are no neighbours.
    """
    squares = [x.diff(dim=axis).square().flatten(1).sum(1) for axis in _of(x, axes)]
    return torch.stack(squares).sum(0) if squares else 0 * x.flatten(1).sum(1)
