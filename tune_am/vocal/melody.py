"""Random melodies, and the pitch of a voice that sings them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# Degrees of a scale in semitones above its key note.
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "pentatonic": (0, 3, 5, 7, 10),
}
# Lengths of notes in beats; in most songs most syllables are short.
BEATS = (0.5, 0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0, 3.0)
SHORTEST, LONGEST = 0.15, 1.5  # seconds of a note
STEPS = (-4, -3, -2, -1, -1, -1, 0, 0, 1, 1, 1, 2, 3, 4)  # from note to note, in degrees
REACH = 4  # degrees a melody keeps to, above and below the middle of the voice
HELD = 0.35  # seconds from which a note is long enough for vibrato
LOWEST_HZ, HIGHEST_HZ = 60.0, 1000.0


@dataclass(frozen=True)
class Manner:
    """How somebody sings, whatever they sing."""

    beat: float  # seconds
    scale: tuple[int, ...]
    glide: float  # seconds a change of pitch takes
    scoop: float  # share of notes reached from below
    fall: float  # share of notes left downwards
    speech: float  # share of the spoken syllable's own movement of pitch that stays
    vibrato_hz: float
    vibrato: float  # semitones, to each side
    drift: float  # semitones, slow wandering about the note
    jitter: float  # semitones, fast irregularity

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Manner:
        """A manner at random; a third of them without vibrato."""
        return cls(
            beat=rng.uniform(0.2, 0.5),
            scale=SCALES[list(SCALES)[rng.integers(len(SCALES))]],
            glide=rng.uniform(0.05, 0.22),
            scoop=rng.uniform(0, 0.8),
            fall=rng.uniform(0, 0.5),
            speech=rng.uniform(0, 0.9),
            vibrato_hz=rng.uniform(4.5, 7.0),
            vibrato=rng.uniform(0.2, 1.1) if rng.random() < 0.67 else 0.0,
            drift=rng.uniform(0.1, 0.5),
            jitter=rng.uniform(0.02, 0.08),
        )


@dataclass(frozen=True)
class Note:
    """A note of a phrase: times in seconds from the phrase's start, pitch in degrees of a scale
    about the middle of the voice."""

    start: float
    seconds: float
    degree: int
    slurred: bool  # sung on the vowel of the note before


def phrase(manner: Manner, rng: np.random.Generator) -> list[Note]:
    """Three to ten notes, the last one held longer."""
    notes: list[Note] = []
    start, degree = 0.0, int(rng.integers(-REACH, REACH + 1))
    count = int(rng.integers(3, 11))
    for number in range(count):
        beats = BEATS[rng.integers(len(BEATS))]
        if number == count - 1:
            beats = max(beats, 1.5)
        seconds = float(np.clip(manner.beat * beats, SHORTEST, LONGEST))
        slurred = number > 0 and seconds < 0.4 and rng.random() < 0.15
        notes.append(Note(start, seconds, degree, slurred))
        start += seconds
        degree = int(np.clip(degree + STEPS[rng.integers(len(STEPS))], -REACH, REACH))
    return notes


def semitones(degree: int, scale: tuple[int, ...]) -> int:
    """Semitones of a degree, any octave: degree ``len(scale)`` is 12."""
    octave, step = divmod(degree, len(scale))
    return 12 * octave + scale[step]


def contour(
    notes: list[Note],
    middle: float,
    manner: Manner,
    times: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Fundamental frequency in Hz, ``[n]``, of a voice at ``times: [n]`` of a phrase.

    The pitch glides from note to note around the change, comes to some notes from below, leaves
    some downwards, and vibrates on held ones after a delay. (What singers' pitch does beside the
    notes: Saitou et al. 2005, "Development of an F0 control model".)

    Args:
        middle: pitch of degree 0 in semitones above 440 Hz.
    """
    pitch = np.full(len(times), float(semitones(notes[0].degree, manner.scale)))
    vibrato = np.zeros(len(times))
    for before, note in zip([None, *notes[:-1]], notes, strict=True):
        target = semitones(note.degree, manner.scale)
        since = times - note.start
        glide = max(1e-3, min(manner.glide, note.seconds / 3))
        if before is not None:
            step = target - semitones(before.degree, manner.scale)
            pitch += step * (0.5 + 0.5 * np.tanh(2 * since / glide))
        if not note.slurred and rng.random() < manner.scoop:
            depth, length = rng.uniform(0.5, 4), rng.uniform(0.03, 0.15)
            pitch -= depth * np.exp(-np.abs(since) / np.where(since < 0, 0.02, length))
        if rng.random() < manner.fall:
            depth, length = rng.uniform(0.5, 3), rng.uniform(0.05, 0.15)
            until = since - note.seconds
            pitch -= depth * np.exp(-np.abs(until) / np.where(until > 0, 0.02, length))
        if note.seconds > HELD:
            delay = rng.uniform(0.1, 0.3)
            swell = np.clip((since - delay) / 0.25, 0, 1) * (since < note.seconds)
            rate = manner.vibrato_hz * rng.uniform(0.93, 1.07)
            wave = np.sin(2 * math.pi * rate * since + rng.uniform(0, 2 * math.pi))
            vibrato += manner.vibrato * swell * wave
    period = float(times[1] - times[0])
    pitch += vibrato
    pitch += manner.drift * wandering(len(times), 0.3 / period, rng)
    pitch += manner.jitter * wandering(len(times), 0.012 / period, rng)
    return np.clip(440 * 2 ** ((middle + pitch) / 12), LOWEST_HZ, HIGHEST_HZ)


def wandering(length: int, width: float, rng: np.random.Generator) -> np.ndarray:
    """Random curve ``[length]`` of unit variance that changes over ``width`` samples."""
    half = max(1, round(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) / max(width, 1e-6)) ** 2)
    noise = rng.standard_normal(length + 2 * half)
    return np.convolve(noise, kernel / np.sqrt((kernel**2).sum()), mode="valid")
