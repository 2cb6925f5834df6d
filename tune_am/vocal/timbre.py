"""Kinds of voices: larger and smaller heads, breath, hoarseness, growl, rooms."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tune_am.vocal.melspec import SAMPLE_RATE
from tune_am.vocal.speech import PERIOD, Speech, between

KINDS = {"plain": 0.46, "breathy": 0.14, "hoarse": 0.12, "growl": 0.1, "choir": 0.18}
FORMANTS = 0.15  # largest change of the formants, relative
NEPERS = math.log(10) / 10  # natural log of power per dB


@dataclass(frozen=True)
class Timbre:
    """What is done to a voice's sound. Shares are 0 (as spoken) to 1."""

    kind: str
    formants: float = 1.0  # factor on the formants' frequencies
    tilt: float = 0.0  # dB an octave above 500 Hz: effort, and the brightness of produced vocals
    ring: float = 0.0  # height in dB of a singer's formant about 3 kHz (Sundberg 1974)
    breath: float = 0.0  # how much of the harmonics above 500 Hz is turned to noise
    rough: float = 0.0  # depth of a subharmonic's beating
    subharmonic: int = 2
    drive: float = 0.0  # saturation: 0 none, 5 harsh
    voices: int = 1
    reverb: float = 0.0  # seconds to -60 dB; 0 none
    wet: float = 0.0  # amplitude of the reverberation beside the voice

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Timbre:
        """A voice of a random kind, see ``KINDS``."""
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        timbre = cls(
            kind,
            formants=math.exp(rng.uniform(-FORMANTS, FORMANTS)),
            tilt=rng.uniform(-1, 5),
            ring=rng.uniform(3, 12) if rng.random() < 0.35 else 0.0,
            reverb=rng.uniform(0.25, 1.5) if rng.random() < 0.45 else 0.0,
            wet=math.exp(rng.uniform(math.log(0.05), math.log(0.4))),
        )
        if kind == "breathy":
            return replace(timbre, breath=rng.uniform(0.35, 0.9))
        if kind == "hoarse":
            rough, drive = rng.uniform(0.15, 0.45), rng.uniform(0, 2)
            return replace(timbre, breath=rng.uniform(0.1, 0.5), rough=rough, drive=drive)
        if kind == "growl":
            rough, drive = rng.uniform(0.5, 0.95), rng.uniform(1, 5)
            breath, divisor = rng.uniform(0.3, 0.9), int(rng.integers(2, 4))
            return replace(timbre, breath=breath, rough=rough, subharmonic=divisor, drive=drive)
        if kind == "choir":
            return replace(timbre, voices=int(rng.integers(2, 6)))
        return timbre


def with_timbre(speech: Speech, timbre: Timbre) -> Speech:
    """The same speech from a larger or smaller head, ringing, breathy."""
    bins = speech.envelope.shape[1]
    hertz = np.arange(bins) * SAMPLE_RATE / 2 / (bins - 1)
    decibels = timbre.ring * np.exp(-0.5 * ((hertz - 3000) / 450) ** 2)
    decibels += timbre.tilt * np.log2(np.clip(hertz / 500, 1, None))
    noise = timbre.breath * np.clip((hertz - 300) / 3000, 0, 1) ** 0.5
    aperiodicity = warped(speech.aperiodicity, timbre.formants)
    return replace(
        speech,
        envelope=warped(speech.envelope, timbre.formants) + (decibels * NEPERS).astype(np.float32),
        aperiodicity=1 - (1 - aperiodicity) * (1 - noise.astype(np.float32)),
    )


def warped(features: np.ndarray, factor: float) -> np.ndarray:
    """``[frames, bins]`` stretched along the bins by ``factor``; the last bin is repeated."""
    bins = features.shape[1]
    return between(features.T, np.arange(bins) / factor).T


def roughened(
    samples: np.ndarray, pitch: np.ndarray, timbre: Timbre, rng: np.random.Generator
) -> np.ndarray:
    """Beating at a fraction of the pitch, irregular, and saturation: growl and hoarseness (after
    Loscos & Bonada 2004, "Emulating rough and growl voice in spectral domain")."""
    if timbre.rough:
        seconds = np.arange(len(samples)) / SAMPLE_RATE
        hertz = np.interp(seconds, np.arange(len(pitch)) * PERIOD, pitch) / timbre.subharmonic
        phase = 2 * math.pi * np.cumsum(hertz) / SAMPLE_RATE
        slip = np.cumsum(rng.standard_normal(len(pitch))) * 0.4
        phase += np.interp(seconds, np.arange(len(pitch)) * PERIOD, slip)
        samples = samples * (1 + timbre.rough * np.cos(phase)) / (1 + timbre.rough)
    if timbre.drive:
        level = np.sqrt((samples**2).mean()) + 1e-9
        samples = np.tanh(timbre.drive * samples / level / 2) * level
    return samples


def reverberated(samples: np.ndarray, timbre: Timbre, rng: np.random.Generator) -> np.ndarray:
    """With noise that dies away after every sound: a room."""
    if not timbre.reverb:
        return samples
    length = round(timbre.reverb * SAMPLE_RATE)
    decay = np.exp(-6.9 * np.arange(length) / length)
    room = rng.standard_normal(length) * decay
    room *= timbre.wet / np.sqrt((room**2).sum())
    room[: round(0.01 * SAMPLE_RATE)] = 0
    size = 1 << (len(samples) + length).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(room, size), size)
    return samples + wet[: len(samples)]
