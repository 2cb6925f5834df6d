"""When a song is sung: label formats -> one label per frame of the front end."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from tune_am.errors import UserError
from tune_am.vocal.melspec import FRAMES_PER_SECOND

NOT_SUNG, SUNG, UNCERTAIN = 0, 1, 2

# Syllables of one phrase are sung through: a gap this short is a consonant or a breath.
PHRASE_GAP = 0.35
# Karaoke notes start right to about 0.1 s and the last note of a phrase rings on: neither the
# moment before a phrase nor the moment after it can be called sung or not sung.
BEFORE_PHRASE, AFTER_PHRASE = 0.1, 0.5

# Decoders of mp3 differ in how much silence they leave at the ends; labels that go on for longer
# than this after the recording belong to another one.
SECONDS_PAST_THE_END = 1.0

Span = tuple[float, float]


def read_ultrastar(path: str | Path, seconds: float = math.inf) -> list[Span]:
    """Sung notes of an UltraStar ``song.txt`` as (start, end) in seconds, in order.

    A line ``: BEAT LENGTH PITCH SYLLABLE`` (also ``*`` golden, ``F`` freestyle, ``R`` and ``G``
    rap) starts at ``GAP / 1000 + BEAT * 15 / BPM`` seconds and lasts ``LENGTH * 15 / BPM``.

    Args:
        seconds: length of the recording.

    Raises:
        UserError: no ``#BPM`` or no notes, ``#RELATIVE`` beats, or notes past the end.
    """
    text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    header = dict(re.findall(r"^#(\w+):(.*?)\s*$", text, re.MULTILINE))
    try:
        bpm = float(header["BPM"].replace(",", "."))
        gap = float(header.get("GAP", "0").replace(",", ".") or 0) / 1000
    except (KeyError, ValueError):
        bpm = gap = math.nan
    if not (0 < bpm < math.inf and math.isfinite(gap)):
        raise UserError(f"{path} has no readable #BPM and #GAP: not an UltraStar song")
    if header.get("RELATIVE", "").lower() == "yes":
        raise UserError(f"{path} counts beats from each line (#RELATIVE): convert it to absolute")
    notes = re.findall(r"^[:*FRG]\s*(-?\d+)\s+(\d+)\s+-?\d+", text, re.MULTILINE)
    if not notes:
        raise UserError(f"{path} has no notes (lines ': BEAT LENGTH PITCH SYLLABLE')")
    beat = 15 / bpm
    spans = sorted(
        (gap + int(first) * beat, gap + (int(first) + int(length)) * beat)
        for first, length in notes
    )
    _expect_end(max(end for _, end in spans), str(path), seconds)
    return spans


def phrases(notes: Iterable[Span]) -> list[Span]:
    """Notes joined into phrases: a gap under ``PHRASE_GAP`` seconds is sung through."""
    joined: list[Span] = []
    for start, end in notes:
        if joined and start - joined[-1][1] < PHRASE_GAP:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def from_notes(notes: Iterable[Span], frames: int) -> np.ndarray:
    """Frame labels of a karaoke song: ``[frames]`` of ``NOT_SUNG``, ``SUNG``, ``UNCERTAIN``."""
    sung = phrases(notes)
    around = [(start - BEFORE_PHRASE, end + AFTER_PHRASE) for start, end in sung]
    return from_spans(sung, around, frames)


def read_lab(path: str | Path, seconds: float = math.inf) -> dict[bool, list[Span]]:
    """Segments of a ``.lab`` file, sung (True) and not (False), as (start, end) in seconds.

    Each line is ``START END sing`` or ``START END nosing`` (also ``1`` and ``0``), in order of
    time, as in the Jamendo set of Ramona, Richard and David (2008).

    Args:
        seconds: length of the recording.

    Raises:
        UserError: an unreadable line, segments that are reversed, overlap or lie past the end.
    """
    segments: dict[bool, list[Span]] = {True: [], False: []}
    last = 0.0
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where, values = f"{path}:{number}", line.split()
        if len(values) != 3 or values[2] not in _SUNG_IN_LAB:
            raise UserError(
                f"{where}: {line.strip()!r} is not 'START END sing' or 'START END nosing' with "
                "times in seconds"
            )
        start, end = _span(values[:2], where, seconds)
        if start < last - 1e-3:  # times may be rounded to the ms
            raise UserError(
                f"{where}: starts at {start:g} s, before the segment above it ends at {last:g} s"
            )
        segments[_SUNG_IN_LAB[values[2]]].append((start, end))
        last = end
    if not last:
        raise UserError(f"{path} has no labels (lines 'START END sing' or 'START END nosing')")
    return segments


_SUNG_IN_LAB = {"sing": True, "1": True, "nosing": False, "0": False}


def read_words(path: str | Path, seconds: float = math.inf) -> list[Span]:
    """Sung words of a CSV with the columns ``word_start`` and ``word_end``, as (start, end) in
    seconds, in order of time; words of several singers may overlap.

    The form of JamendoLyrics (Durand, Stoller and Ewert 2023), ``annotations/words``.

    Args:
        seconds: length of the recording.

    Raises:
        UserError: other columns, no words, an unreadable, reversed or too late time.
    """
    rows = csv.DictReader(read_text(path).splitlines())
    if not {"word_start", "word_end"} <= set(rows.fieldnames or ()):
        raise UserError(
            f"{path}:1: no columns word_start and word_end: take annotations/words of the set's "
            "version of 2023 or later"
        )
    words = [
        _span([row["word_start"], row["word_end"]], f"{path}:{rows.line_num}", seconds)
        for row in rows
    ]
    if not words:
        raise UserError(f"{path} has no words (lines WORD_START,WORD_END,LINE_END)")
    return sorted(words)


def read_text(path: str | Path) -> str:
    """Text of a file in UTF-8.

    Raises:
        UserError: no such file, or none of text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a text file that can be read: {error}") from None


def _span(values: Iterable[str | None], where: str, seconds: float) -> Span:
    values = list(values)
    try:
        start, end = (float(value or "") for value in values)
    except ValueError:
        start = end = math.nan
    if not (0 <= start < math.inf and 0 <= end < math.inf):
        found = ", ".join(repr(value or "") for value in values)
        raise UserError(f"{where}: {found} are not a start and an end in seconds")
    if end < start:
        raise UserError(f"{where}: ends at {end:g} s, before it starts at {start:g} s")
    _expect_end(end, where, seconds)
    return start, end


def _expect_end(end: float, where: str, seconds: float) -> None:
    if end > seconds + SECONDS_PAST_THE_END:
        raise UserError(
            f"{where}: ends at {end:g} s, but the recording has only {seconds:.1f} s: are these "
            "the labels of that recording?"
        )


def from_lab(segments: dict[bool, list[Span]], frames: int) -> np.ndarray:
    """Frame labels ``[frames]`` of a ``.lab`` file; frames of no segment are uncertain."""
    labels = from_spans(segments[True], [(0, math.ceil(frames / FRAMES_PER_SECOND))], frames)
    labels[from_spans(segments[False], [], frames) == SUNG] = NOT_SUNG
    return labels


def from_spans(sung: Iterable[Span], uncertain: Iterable[Span], frames: int) -> np.ndarray:
    """Frame labels ``[frames]`` from spans in seconds; where both apply, sung wins."""
    labels = np.zeros(frames, dtype=np.uint8)
    for value, spans in ((UNCERTAIN, uncertain), (SUNG, sung)):
        for start, end in spans:
            first, last = (max(0, round(second * FRAMES_PER_SECOND)) for second in (start, end))
            labels[first:last] = value
    return labels


def from_hand(path: str | Path, song: str, frames: int) -> np.ndarray:
    """Frame labels ``[frames]`` of one song of a ``singing_labels.json``: where its hand-made
    spans overlap, uncertain wins (somebody doubted it)."""
    entry = json.loads(Path(path).read_text(encoding="utf-8"))[song]
    labels = from_spans(entry["vocal"], [], frames)
    labels[from_spans(entry["uncertain"], [], frames) == SUNG] = UNCERTAIN
    return labels


def _of_notes(path: Path, song: str, frames: int) -> np.ndarray:
    return from_notes(read_ultrastar(path, frames / FRAMES_PER_SECOND), frames)


def _of_lab(path: Path, song: str, frames: int) -> np.ndarray:
    return from_lab(read_lab(path, frames / FRAMES_PER_SECOND), frames)


def _of_words(path: Path, song: str, frames: int) -> np.ndarray:
    return from_notes(read_words(path, frames / FRAMES_PER_SECOND), frames)


def _of_some_words(path: Path, song: str, frames: int) -> np.ndarray:
    labels = _of_words(path, song, frames)
    labels[labels == NOT_SUNG] = UNCERTAIN
    return labels


# Kinds of labels -> frame labels ``[frames]`` from (file, the song's name in it, frames).
READERS: dict[str, Callable[[Path, str, int], np.ndarray]] = {
    "notes": _of_notes,
    "hand": from_hand,
    "lab": _of_lab,
    "words": _of_words,
    # Words of a song in which there is other singing too (scat, humming): what lies between the
    # words may be either.
    "some words": _of_some_words,
}
