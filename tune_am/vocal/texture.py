"""Plain statistics of log-mel excerpts, which no network was trained for."""

from __future__ import annotations

import torch
from torch import Tensor

from tune_am.am.frechet import frechet_distance
from tune_am.vocal.melspec import BANDS, FRAMES, FRAMES_PER_SECOND

# Bands that share a number, so that a thousand excerpts give a sound covariance.
_POOLED = 2


def statistics(x: Tensor) -> Tensor:
    """Statistics ``[n, 2 * BANDS]`` of log-mel excerpts ``x: [n, BANDS, FRAMES]``, all in nats.

    Of every two bands: mean, standard deviation over time, and RMS step from frame to frame (which
    blurred onsets lack) and from band to band (which blurred harmonics lack).
    """
    x = x.float()
    onsets = x.diff(dim=2).square().mean(dim=2).sqrt()
    # The last band has no next one; its step is that of the one before.
    harmonics = x.diff(dim=1).square().mean(dim=2).sqrt()
    harmonics = torch.cat([harmonics, harmonics[:, -1:]], dim=1)
    parts = [x.mean(dim=2), x.std(dim=2), onsets, harmonics]
    return torch.cat([part.unflatten(1, (-1, _POOLED)).mean(dim=2) for part in parts], dim=1)


def statistics_distance(x: Tensor, real: Tensor) -> float:
    """Fréchet distance between the statistics of ``x`` and of real excerpts ``[n, BANDS, FRAMES]``.

    Each statistic counts in units of its deviation among the real ones. In nats the level of quiet
    bands, which varies most, would drown harmonics and onsets.
    """
    theirs = statistics(real)
    # What never varies among the real ones has no such unit: a tenth of a nat.
    unit = theirs.std(dim=0).clamp_min(0.1)
    return frechet_distance(statistics(x) / unit, theirs / unit)


def band_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation ``[BANDS]`` over all frames of ``x: [n, BANDS, FRAMES]``."""
    frames = x.float().permute(1, 0, 2).flatten(1)
    return frames.mean(dim=1), frames.std(dim=1)


def modulation_over_time(x: Tensor) -> Tensor:
    """Power spectrum along time, in dB, ``[FRAMES // 2 + 1]``: how bands move.

    The mean over excerpts and bands, each about its own mean and under a Hann window.
    """
    return _spectrum(x.float())


def modulation_over_bands(x: Tensor) -> Tensor:
    """The same along bands, ``[BANDS // 2 + 1]``: harmonics are fine ripples, blur lacks them."""
    return _spectrum(x.float().transpose(1, 2))


def time_rates() -> Tensor:
    """Frequencies in Hz of ``modulation_over_time``."""
    return torch.fft.rfftfreq(FRAMES, 1 / FRAMES_PER_SECOND)


def band_rates() -> Tensor:
    """Frequencies in cycles per band of ``modulation_over_bands``."""
    return torch.fft.rfftfreq(BANDS)


def _spectrum(x: Tensor) -> Tensor:
    length = x.shape[2]
    window = torch.hann_window(length)
    moving = (x - x.mean(dim=2, keepdim=True)) * window
    power = torch.fft.rfft(moving).abs().square().mean(dim=(0, 1)) / window.square().sum()
    return 10 * torch.log10(power.clamp_min(1e-10))
