"""Speech made to sing: its syllables on the notes of random melodies, in many kinds of voice."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tune_am.vocal.melody import Manner, Note, contour, phrase
from tune_am.vocal.melspec import SAMPLE_RATE
from tune_am.vocal.speech import PERIOD, Speech, Syllable, between, world
from tune_am.vocal.timbre import NEPERS, Timbre, reverberated, roughened, warped, with_timbre

Span = tuple[float, float]

# How far above the speaking voice (in semitones) a melody's middle may lie.
LOWER, HIGHER = -3.0, 10.0
LOWEST_MIDDLE, HIGHEST_MIDDLE = -28.0, 5.0  # semitones above 440 Hz: 87 Hz and 587 Hz
EDGE = 12  # frames at both ends of a vowel that keep their speed: transitions to consonants
RELEASE = 0.12  # seconds over which the last vowel of a phrase fades
LATE = 0.03  # seconds by which voices of a choir differ
HARMONY = (0, 0, 0, 0, 2, 4, -3, 7)  # degrees a second voice lies above the first


def sing(
    speech: Speech, seconds: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[Span], Timbre]:
    """A take: phrases with rests between.

    Returns:
        samples: ``[time]`` float64 at ``SAMPLE_RATE``, about ``seconds`` long.
        sung: when it is sung, in seconds.
        timbre: what kind of voice it became.
    """
    timbre, manner = Timbre.draw(rng), Manner.draw(rng)
    middle = speech.middle + rng.uniform(LOWER, HIGHER)
    if timbre.kind == "growl" and rng.random() < 0.6:
        middle = speech.middle + rng.uniform(-6, 2)
    middle = float(np.clip(middle, LOWEST_MIDDLE, HIGHEST_MIDDLE))
    voiced = with_timbre(speech, timbre)
    parts, spans, now = [], [], rng.uniform(0.2, 1.0)
    while now < seconds:
        notes = phrase(manner, rng)
        syllables = _syllables(speech, sum(not note.slurred for note in notes), rng)
        parts.append((now, sing_phrase(voiced, notes, syllables, middle, manner, timbre, rng)))
        spans.append((now, now + _lead(syllables[0]) + notes[-1].start + notes[-1].seconds))
        now = spans[-1][1] + float(rng.choice([rng.uniform(0.1, 0.4), rng.uniform(0.4, 2.5)]))
    samples = np.zeros(round((now + 1) * SAMPLE_RATE))
    for start, sound in parts:
        first = round(start * SAMPLE_RATE)
        samples[first : first + len(sound)] += sound[: len(samples) - first]
    return reverberated(samples, timbre, rng), spans, timbre


def sing_phrase(
    speech: Speech,
    notes: list[Note],
    syllables: list[Syllable],
    middle: float,
    manner: Manner,
    timbre: Timbre,
    rng: np.random.Generator,
) -> np.ndarray:
    """All voices of the timbre singing one phrase, ``[time]``: the others a little off the first
    in time, pitch and formants, some in harmony with it."""
    latest = round(LATE * SAMPLE_RATE)
    sound = _voice(speech, notes, syllables, middle, manner, timbre, rng)
    sound = np.pad(sound, (0, latest))
    for _ in range(timbre.voices - 1):
        above = int(rng.choice(HARMONY))
        own = [replace(note, degree=note.degree + above) for note in notes]
        tuning = middle + rng.normal(0, 0.12)
        copy = _voice(speech, own, syllables, tuning, manner, timbre, rng)
        late = int(rng.integers(latest))
        sound += np.pad(copy, (late, latest - late))
    return sound


def _lead(syllable: Syllable) -> float:
    """Seconds of the consonant before a syllable's vowel: it comes before the beat."""
    return (syllable.onset - syllable.start) * PERIOD


def _syllables(speech: Speech, count: int, rng: np.random.Generator) -> list[Syllable]:
    """Neighbours in speech, mostly, so that words stay whole."""
    first = int(rng.integers(len(speech.syllables)))
    return [speech.syllables[(first + i) % len(speech.syllables)] for i in range(count)]


def _voice(
    speech: Speech,
    notes: list[Note],
    syllables: list[Syllable],
    middle: float,
    manner: Manner,
    timbre: Timbre,
    rng: np.random.Generator,
) -> np.ndarray:
    """One voice singing one phrase: ``[time]``."""
    position, gain = _alignment(speech, notes, syllables, rng)
    spoken = speech.f0[np.clip(np.round(position).astype(int), 0, len(speech.f0) - 1)]
    times = np.arange(len(position)) * PERIOD - _lead(syllables[0])
    rough = manner if timbre.rough == 0 else replace(manner, jitter=0.1 + 0.5 * timbre.rough)
    pitch = contour(notes, middle, rough, times, rng)
    pitch *= np.exp(manner.speech * _movement(speech, position, syllables))
    envelope = between(speech.envelope, position) + gain[:, None] * NEPERS
    if timbre.voices > 1:
        envelope = warped(envelope, math.exp(rng.uniform(-0.05, 0.05)))
    aperiodicity = between(speech.aperiodicity, position)
    samples = world().synthesize(
        np.where(spoken > 0, pitch, 0.0),
        np.exp(envelope, dtype=np.float64, order="C"),
        np.clip(aperiodicity, 0.001, 0.999, dtype=np.float64, order="C"),
        SAMPLE_RATE,
        1000 * PERIOD,
    )
    return roughened(samples, pitch, timbre, rng)


def _movement(speech: Speech, position: np.ndarray, syllables: list[Syllable]) -> np.ndarray:
    """How far the spoken pitch lies from its syllable's median, ``[frames]``, natural log."""
    move = np.zeros(len(speech.f0))
    for syllable in syllables:
        part = slice(syllable.onset, syllable.offset)
        move[part] = np.log(speech.f0[part] / np.median(speech.f0[part]))
    kernel = np.hanning(9) / np.hanning(9).sum()
    smooth = np.convolve(np.clip(move, -0.4, 0.4), kernel, mode="same")
    return np.interp(position, np.arange(len(smooth)), smooth)


def _alignment(
    speech: Speech, notes: list[Note], syllables: list[Syllable], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Which of the speech's frames sounds when, ``[frames]``, and how much louder than spoken, in
    dB: vowels of one level (give or take), the phrase fading at its end."""
    starts = [note.start for note in notes if not note.slurred]
    end = notes[-1].start + notes[-1].seconds
    lead = syllables[0].onset - syllables[0].start
    positions = [np.arange(syllables[0].start, syllables[0].onset)]
    gains = []
    for number, (start, syllable) in enumerate(zip(starts, syllables, strict=True)):
        following = starts[number + 1] if number + 1 < len(starts) else end
        frames = round(following / PERIOD) - round(start / PERIOD)
        if number + 1 < len(starts):
            after = syllables[number + 1]
            consonant = min(after.onset - after.start, frames // 2)
            tail = np.arange(after.onset - consonant, after.onset)
        else:
            tail = np.arange(syllable.offset, syllable.end)
            frames += len(tail)
        positions += [_stretched(syllable, frames - len(tail)), tail]
        gains.append(rng.normal(0, 1.5) - speech.level[syllable.peak])
    position = np.concatenate(positions).astype(np.float64)
    # A gain changes over the 50 ms before its vowel, mostly in the consonant.
    onsets = np.array([lead + round(start / PERIOD) for start in starts[1:]], dtype=int)
    corners = np.stack([onsets - 10, onsets], axis=1).ravel()
    gain = np.interp(np.arange(len(position)), [-1, *corners], np.repeat(gains, 2)[:-1])
    fade = round(RELEASE / PERIOD)
    left = np.arange(len(position))[::-1]
    return position, gain - 30 * np.clip(1 - left / fade, 0, 1) ** 2


def _stretched(syllable: Syllable, frames: int) -> np.ndarray:
    """Positions ``[frames]`` in a vowel: its ends at their own speed, its loudest part held."""
    length = syllable.offset - syllable.onset
    if frames <= length:
        return np.linspace(syllable.onset, syllable.offset - 1, frames)
    edge = min(EDGE, length // 3)
    first = max(edge, min(syllable.peak - syllable.onset - edge // 2, length - 2 * edge))
    last = min(length - edge, first + max(edge, length // 3))
    held = frames - first - (length - last)
    return np.concatenate(
        [
            syllable.onset + np.arange(first),
            syllable.onset + np.linspace(first, last, held, endpoint=False),
            syllable.onset + np.arange(last, length),
        ]
    )
