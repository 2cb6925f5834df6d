"""Differentiable augmentation: few excerpts, seen by the discriminators in many guises.

Zhao, Liu, Lin, Zhu and Han (2020, arXiv 2006.10738). Real and generated excerpts undergo the same
random changes before a discriminator sees them, so that it cannot learn the few real ones by heart;
the generator's gradient goes through them, so that it does not learn to draw them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tune_am.am.transform import Transform

# Shift in time of an eighth of an excerpt, gain of 6 dB.
CHANGES = Transform(jitter=14, gain=0.7)
HIDDEN = 0.5  # sides of the hidden rectangle, as a share of the excerpt's


def diff_augment(x: Tensor, blank: Tensor) -> Tensor:
    """Log-mel ``x: [n, bands, frames]``, each moved, made louder or softer, and a part of it hidden
    by ``blank: [bands]``. Drawn from torch's global random state on the CPU."""
    n, bands, frames = x.shape
    shift, gain = CHANGES.draw(n, torch.default_generator)
    moved = CHANGES(x, shift.to(x.device), gain.to(x.device))
    rows, columns = (_stretch(n, size).to(x.device) for size in (bands, frames))
    return torch.where(rows[:, :, None] & columns[:, None], blank[:, None], moved)


def _stretch(n: int, size: int) -> Tensor:
    """``[n, size]`` bool: a stretch of the hidden length, its middle anywhere."""
    middle = torch.rand(n, 1) * size
    return (torch.arange(size) + 0.5 - middle).abs() < HIDDEN * size / 2
