"""Other ways from log-mel to audio, which `bench/sound.py` compares with the chosen one."""

from __future__ import annotations

import heapq
import math

import numpy as np
import torch
import torchaudio
from torch import Tensor

from tune_am.vocal import sound
from tune_am.vocal.melspec import (
    BANDS,
    FRAMES,
    HIGHEST_HZ,
    HOP,
    LOWEST_HZ,
    SAMPLE_RATE,
    WINDOW,
    mel_filters,
)

SAMPLES = (FRAMES - 1) * HOP
BINS = WINDOW // 2 + 1


def library(bins: Tensor, iterations: int) -> Tensor:
    """torchaudio's Griffin-Lim: the same momentum, reflected at the ends."""
    torch.manual_seed(0)
    window = torch.hann_window(WINDOW)
    return torchaudio.functional.griffinlim(
        bins.transpose(1, 2), window, WINDOW, HOP, WINDOW, 1.0, iterations, 0.99, SAMPLES, True
    )


def inverse_mel(bands: Tensor) -> Tensor:
    scale = torchaudio.transforms.InverseMelScale(
        BINS, BANDS, SAMPLE_RATE, LOWEST_HZ, HIGHEST_HZ, norm=None, mel_scale="htk"
    )
    scale.fb = mel_filters().clone()
    return scale(bands.transpose(1, 2)).transpose(1, 2)


def least_squares(bands: Tensor, steps: int) -> Tensor:
    """Non-negative least squares by accelerated projected gradient (Beck & Teboulle 2009)."""
    filters = mel_filters()
    rate = 1 / torch.linalg.matrix_norm(filters, 2) ** 2
    bins = ahead = sound.magnitudes(bands, 0)
    pace = 1.0
    for _ in range(steps):
        before, bins = bins, (ahead - rate * (ahead @ filters - bands) @ filters.T).clamp_min(0)
        pace, last = (1 + math.sqrt(1 + 4 * pace**2)) / 2, pace
        ahead = bins + (last - 1) / pace * (bins - before)
    return bins


def every_bin_follows(bins: Tensor) -> Tensor:
    """Single pass spectrogram inversion as published, its peaks' reach unbounded."""
    reach, sound.REACH = sound.REACH, BINS
    try:
        return sound.phases(bins)
    finally:
        sound.REACH = reach


def heap_integrated(bins: Tensor, tolerance: float = 1e-4) -> Tensor:
    """Phase-gradient heap integration (Průša, Balazs & Søndergaard 2017), excerpt by excerpt."""
    logs = bins.clamp_min(1e-7).log().double().numpy()
    gamma = 0.25645 * WINDOW**2  # of the Gaussian nearest to a Hann window
    over_bins, over_frames = np.gradient(logs, axis=2), np.gradient(logs, axis=1)
    along = HOP * WINDOW / gamma * over_bins + 2 * np.pi * HOP / WINDOW * np.arange(BINS)
    across = -gamma / (HOP * WINDOW) * over_frames - np.pi
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, logs.shape)
    for slopes in zip(logs, along, across, phase, strict=True):
        _integrate(*slopes, float(np.log(tolerance)))
    return torch.from_numpy(phase).remainder(2 * math.pi).float()


def _integrate(
    logs: np.ndarray, along: np.ndarray, across: np.ndarray, phase: np.ndarray, least: float
) -> None:
    """Sets ``phase [frames, BINS]`` where ``logs`` is above its peak plus ``least``."""
    open_ = logs > logs.max() + least
    for start in np.argsort(-logs, axis=None):
        seed = divmod(int(start), BINS)
        if not open_[seed]:
            continue
        open_[seed] = False
        heap = [(-logs[seed], *seed)]
        while heap:
            _, frame, bin_ = heapq.heappop(heap)
            for slope, step in (
                (along, (1, 0)),
                (along, (-1, 0)),
                (across, (0, 1)),
                (across, (0, -1)),
            ):
                near = frame + step[0], bin_ + step[1]
                if 0 <= near[0] < len(logs) and 0 <= near[1] < BINS and open_[near]:
                    open_[near] = False
                    mean = (slope[frame, bin_] + slope[near]) / 2
                    phase[near] = phase[frame, bin_] + sum(step) * mean
                    heapq.heappush(heap, (-logs[near], *near))
