"""Recorded speech taken apart, so that it can be sung: WORLD's features and the syllables."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import soundfile

from tune_am.errors import UserError
from tune_am.vocal.melspec import SAMPLE_RATE, read_audio

PERIOD = 0.005  # seconds from one of WORLD's frames to the next
LOWEST_F0, HIGHEST_F0 = 65.0, 700.0  # Hz, of speech and shouting
LEAST_RATE = 16_000  # telephone recordings lack half of the bands
PAUSE = 0.12  # seconds between two recordings of a speaker

# Syllables, in WORLD's frames.
SHORTEST_VOICED = 10
LONGEST_CONSONANT = 30
DIP_DB = 6.0  # a valley so deep between two peaks of level parts two syllables
AUDIBLE_DB = -35.0  # a consonant's level beside the speaker's loudest vowels
VOWEL_DB = -18.0  # a vowel's level at the least
NOISY = 0.5  # mean aperiodicity up to 4 kHz from which a syllable's loudest frame is no vowel


@dataclass(frozen=True)
class Syllable:
    """Frame numbers: the leading consonant starts, the voiced part starts, its loudest frame, it
    ends, and what follows it unvoiced ends."""

    start: int
    onset: int
    peak: int
    offset: int
    end: int


@dataclass(frozen=True)
class Speech:
    """A speaker, by WORLD: features of frames of ``PERIOD`` seconds."""

    f0: np.ndarray  # [frames] Hz, 0 where unvoiced
    envelope: np.ndarray  # [frames, bins] natural log of power
    aperiodicity: np.ndarray  # [frames, bins] 0 to 1
    level: np.ndarray  # [frames] dB
    syllables: list[Syllable]

    @property
    def middle(self) -> float:
        """Median pitch of the speaking voice, in semitones above 440 Hz."""
        return float(12 * np.log2(np.median(self.f0[self.f0 > 0]) / 440))


def world() -> ModuleType:
    """The module pyworld.

    Raises:
        UserError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks up its version in a deprecated way
            import pyworld
    except ImportError as error:
        raise UserError(
            f"voices are made with pyworld, which cannot be imported ({error}): "
            "pip install 'tune-am[build]'"
        ) from None
    return pyworld


def join_recordings(files: Iterable[Path], seconds: float) -> np.ndarray:
    """Recordings of one speaker one after the other, their silent ends cut off, each as loud as
    the others: ``[time]`` float64, about ``seconds`` long at the most."""
    parts, total = [np.zeros(round(PAUSE * SAMPLE_RATE))], 0
    for file in files:
        if soundfile.info(file).samplerate < LEAST_RATE:
            continue
        part = _trimmed(read_audio(file).double().numpy())
        if len(part) < 0.1 * SAMPLE_RATE:
            continue
        part = part[: round((seconds - total / SAMPLE_RATE) * SAMPLE_RATE)]
        parts += [0.1 * part / np.sqrt((part**2).mean()), parts[0]]
        total += len(part)
        if total >= seconds * SAMPLE_RATE:
            break
    return np.concatenate(parts)


def analyse(samples: np.ndarray) -> Speech:
    """Speech ``[time]`` at ``SAMPLE_RATE`` by WORLD (Morise et al. 2016): DIO and StoneMask for the
    pitch, CheapTrick for the spectral envelope, D4C for the aperiodicity."""
    pyworld = world()
    f0, times = pyworld.dio(
        samples,
        SAMPLE_RATE,
        f0_floor=LOWEST_F0,
        f0_ceil=HIGHEST_F0,
        frame_period=1000 * PERIOD,
    )
    f0 = pyworld.stonemask(samples, f0, times, SAMPLE_RATE)
    power = pyworld.cheaptrick(samples, f0, times, SAMPLE_RATE)
    aperiodicity = pyworld.d4c(samples, f0, times, SAMPLE_RATE)
    level = 10 * np.log10(power.mean(axis=1) + 1e-20)
    noise = aperiodicity[:, : round(len(power[0]) * 4000 / (SAMPLE_RATE / 2))].mean(axis=1)
    return Speech(
        f0=f0,
        envelope=np.log(power + 1e-20).astype(np.float32),
        aperiodicity=aperiodicity.astype(np.float32),
        level=level,
        syllables=[s for s in find_syllables(f0 > 0, level) if noise[s.peak] < NOISY],
    )


def find_syllables(voiced: np.ndarray, level: np.ndarray) -> list[Syllable]:
    """Syllables in order of time.

    Args:
        voiced: ``[frames]`` whether the frame has a pitch.
        level: ``[frames]`` in dB.
    """
    if not voiced.any():
        return []
    loudest = np.quantile(level[voiced], 0.9)
    edges = np.flatnonzero(np.diff(np.r_[0, voiced.astype(np.int8), 0]))
    runs = [
        part
        for first, last in edges.reshape(-1, 2).tolist()
        if last - first >= SHORTEST_VOICED
        for part in _parted(level, first, last)
    ]
    syllables = []
    for number, (first, last) in enumerate(runs):
        peak = first + int(level[first:last].argmax())
        if level[peak] < loudest + VOWEL_DB:
            continue
        before = runs[number - 1][1] if number else 0
        after = runs[number + 1][0] if number + 1 < len(runs) else len(level)
        start, end = first, last
        while start > max(before, first - LONGEST_CONSONANT) and (
            level[start - 1] > loudest + AUDIBLE_DB
        ):
            start -= 1
        while end < min(after, last + LONGEST_CONSONANT) and level[end] > loudest + AUDIBLE_DB:
            end += 1
        syllables.append(Syllable(start, first, peak, last, end))
    return syllables


def between(rows: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Rows ``[n, ...]`` at fractional positions ``[m]``, linear between neighbours."""
    position = np.clip(position, 0, len(rows) - 1)
    low = np.minimum(position.astype(int), len(rows) - 2)
    share = (position - low).astype(rows.dtype)[:, None]
    return rows[low] * (1 - share) + rows[low + 1] * share


def _parted(level: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """A voiced run, parted at its deepest valley between two peaks for as long as there is one."""
    run = level[first:last]
    if last - first < 2 * SHORTEST_VOICED:
        return [(first, last)]
    left, right = np.maximum.accumulate(run), np.maximum.accumulate(run[::-1])[::-1]
    depth = np.minimum(left, right) - run
    depth[:SHORTEST_VOICED] = depth[-SHORTEST_VOICED:] = 0
    valley = int(depth.argmax())
    if depth[valley] < DIP_DB:
        return [(first, last)]
    cut = first + valley
    return _parted(level, first, cut) + _parted(level, cut, last)


def _trimmed(samples: np.ndarray) -> np.ndarray:
    """Without the silence (40 dB under the loudest 10 ms) at both ends."""
    step = SAMPLE_RATE // 100
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    level = (whole**2).mean(axis=1)
    if not level.any():
        return samples[:0]
    loud = np.flatnonzero(level > 1e-4 * level.max())
    return samples[max(0, loud[0] - 2) * step : (loud[-1] + 3) * step]
