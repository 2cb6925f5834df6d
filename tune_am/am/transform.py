"""Small random changes of the input, that an explanation should survive."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Transform:
    """Shift in time and gain, drawn anew for every start at every step.

    jitter: largest shift, frames. gain: largest gain, nats (the input is a natural logarithm).
    """

    jitter: int
    gain: float

    @property
    def is_identity(self) -> bool:
        return self.jitter == 0 and self.gain == 0

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
