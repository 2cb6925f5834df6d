"""When a song is sung: label formats -> one label per frame of the front end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
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

Span = tuple[float, float]


def read_ultrastar(path: str | Path) -> list[Span]:
    """Sung notes of an UltraStar ``song.txt`` as (start, end) in seconds, in order.

    A line ``: BEAT LENGTH PITCH SYLLABLE`` (also ``*`` golden and ``F`` freestyle) starts at
    ``GAP / 1000 + BEAT * 15 / BPM`` seconds and lasts ``LENGTH * 15 / BPM``.

    Raises:
        UserError: no ``#BPM`` or no notes.
    """
    text = Path(path).read_text(encoding="utf-8-sig", errors="replace")
    header = dict(re.findall(r"^#(\w+):(.*?)\s*$", text, re.MULTILINE))
    try:
        bpm = float(header["BPM"].replace(",", "."))
        gap = float(header.get("GAP", "0").replace(",", ".") or 0) / 1000
    except (KeyError, ValueError):
        raise UserError(f"{path} has no readable #BPM and #GAP: not an UltraStar song") from None
    notes = re.findall(r"^[:*F]\s*(-?\d+)\s+(\d+)\s+-?\d+", text, re.MULTILINE)
    if not notes:
        raise UserError(f"{path} has no notes (lines ': BEAT LENGTH PITCH SYLLABLE')")
    seconds = 15 / bpm
    return sorted(
        (gap + int(beat) * seconds, gap + (int(beat) + int(length)) * seconds)
        for beat, length in notes
    )


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
    entry = json.loads(Path(path).read_text())[song]
    labels = from_spans(entry["vocal"], [], frames)
    labels[from_spans(entry["uncertain"], [], frames) == SUNG] = UNCERTAIN
    return labels
