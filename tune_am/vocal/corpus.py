"""The recordings as log-mel spectrograms with one label per frame, cached in the work folder.

Run alone: ``python -m tune_am.vocal.corpus --data DIR --work DIR [--debian DIR]``, and with
``--corpus jamendo`` or ``--corpus jamendolyrics`` on those sets.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tune_am.errors import UserError
from tune_am.packs.manifest import sha256_of
from tune_am.vocal import labels
from tune_am.vocal.layouts import HOUSE, songs_of
from tune_am.vocal.melspec import FRAMES_PER_SECOND, excerpts, log_mel, read_audio
from tune_am.vocal.sources import Song
from tune_am.whole import whole

# Instrumental music is plentiful: the middle of many pieces teaches more than a few whole ones.
SECONDS_PER_PIECE = 90
MINUTES_PER_SOURCE = 20
SHORTEST_PIECE = 20  # seconds; shorter files in a game's music folder are jingles and effects


@dataclass(frozen=True)
class Track:
    """One song in memory: ``log_mel [BANDS, frames]`` float16, ``labels [frames]`` uint8."""

    name: str
    source: str
    split: str
    sung: bool  # whether anybody sings in it at all
    showable: bool  # whether its licence lets excerpts of it be shown
    log_mel: torch.Tensor
    labels: torch.Tensor
    licence: str = ""

    def frames(self, label: int) -> torch.Tensor:
        """Numbers of the frames with a label, ``[n]``."""
        return torch.nonzero(self.labels == label).squeeze(1)

    def excerpts(self, centres: torch.Tensor) -> torch.Tensor:
        """``[n, BANDS, FRAMES]`` float32 around the frames ``centres: [n]``."""
        return excerpts(self.log_mel, centres).float()


def build_corpus(data: Path, work: Path, debian: Path | None = None, corpus: str = HOUSE) -> None:
    """Computes and caches every song's spectrogram and labels; songs done before are kept.

    Raises:
        UserError: ``data`` is not laid out as ``corpus`` is, or ``work`` holds another corpus.
    """
    folder = work / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    songs = list(songs_of(corpus, data, work, debian))
    _claim(folder, corpus)
    index: list[dict[str, Any]] = []
    minutes: defaultdict[str, float] = defaultdict(float)
    for song in track(songs, "songs"):
        if song.labels == "none" and minutes[song.source] >= MINUTES_PER_SOURCE:
            continue
        file = folder / f"{len(index):04d}.safetensors"
        entry = {
            "file": file.name,
            "name": song.name,
            "source": song.source,
            "split": song.split,
            "sung": song.labels != "none",
            "licence": song.licence,
            "excerpts": song.excerpts,
        }
        facts = {"entry": json.dumps(entry), "kind": song.labels, "labels": _digest(song)}
        facts["audio"] = sha256_of(song.path)
        if not _cached(file, facts):
            tensors = _compute(song)
            if tensors is None:
                continue
            with whole(file) as partial:
                save_file(tensors, partial, metadata=facts)
        if song.labels == "none":
            minutes[song.source] += load_file(file)["labels"].numel() / FRAMES_PER_SECOND / 60
        index.append(entry)
    with whole(folder / "corpus.json") as partial:
        partial.write_text(json.dumps(index, indent=1), encoding="utf-8")


def load_corpus(work: Path, *splits: str) -> list[Track]:
    """The cached songs of the given splits (all without any).

    Raises:
        UserError: the corpus stage has not been run in ``work``, or was cut short.
    """
    index = work / "corpus" / "corpus.json"
    if not index.is_file():
        raise UserError(f"no corpus in {work}: run 'python -m tune_am.vocal.corpus' first")
    tracks = []
    for entry in json.loads(index.read_text(encoding="utf-8")):
        if not splits or entry["split"] in splits:
            tensors = load_file(index.parent / entry["file"])
            _expect(index.parent / entry["file"], entry)
            facts = {key: entry[key] for key in ("name", "source", "split", "sung", "licence")}
            tracks.append(Track(**facts, showable=entry["excerpts"], **tensors))
    return tracks


def corpus_digest(work: Path) -> str:
    """SHA-256 of which songs are in the corpus, how they are split and how they are labelled."""
    index = work / "corpus" / "corpus.json"
    digest = hashlib.sha256(index.read_bytes())
    for entry in json.loads(index.read_text(encoding="utf-8")):
        with safe_open(index.parent / entry["file"], "pt") as tensors:
            digest.update(json.dumps(tensors.metadata(), sort_keys=True).encode())
    return digest.hexdigest()


def tracks_digest(tracks: Sequence[Track]) -> str:
    """How many, and a digest of names, spectrograms and labels: what a training learns from."""
    digest = hashlib.sha256()
    for song in tracks:
        digest.update(song.name.encode())
        for tensor in (song.log_mel, song.labels):
            digest.update(tensor.contiguous().numpy().tobytes())
    return f"{len(tracks)} ({digest.hexdigest()[:12]})"


def band_statistics(tracks: list[Track]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each band over all frames: ``[BANDS]``, ``[BANDS]``."""
    frames = torch.cat([track.log_mel.float() for track in tracks], dim=1)
    return frames.mean(dim=1), frames.std(dim=1)


def _expect(file: Path, entry: dict[str, Any]) -> None:
    """Refuses a song's file that is another song's: the index is written after all files."""
    with safe_open(file, "pt") as tensors:
        kept = json.loads(tensors.metadata()["entry"])
    if any(kept[fact] != entry[fact] for fact in ("source", "name")):
        raise UserError(
            f"the corpus in {file.parents[1]} is half made: run 'python -m tune_am.vocal.corpus' "
            "again"
        )


def _claim(folder: Path, corpus: str) -> None:
    """Refuses a folder of another corpus: what was trained on that one lies beside it."""
    file = folder / "name.txt"
    if file.is_file():
        kept = file.read_text(encoding="utf-8")
    else:
        kept = HOUSE if (folder / "corpus.json").is_file() else corpus
    if kept != corpus:
        raise UserError(
            f"{folder.parent} holds the corpus {kept!r} and what was trained on it: give another "
            f"folder with --work for {corpus!r}"
        )
    file.write_text(corpus, encoding="utf-8")


def _digest(song: Song) -> str:
    return sha256_of(song.label_file) if song.label_file else ""


def _cached(file: Path, facts: dict[str, str]) -> bool:
    """Whether a song's file is there, of these facts; earlier ones kept fewer of them."""
    if not file.is_file():
        return False
    with safe_open(file, "pt") as tensors:
        return facts | tensors.metadata() == facts


def _compute(song: Song) -> dict[str, torch.Tensor] | None:
    """Spectrogram and labels, or None for a piece too short to be music."""
    middle = SECONDS_PER_PIECE if song.labels == "none" else math.inf
    spectrogram = log_mel(read_audio(song.path, middle))
    frames = spectrogram.shape[1]
    if song.label_file is None:
        if frames < SHORTEST_PIECE * FRAMES_PER_SECOND:
            return None
        frame_labels = np.full(frames, labels.NOT_SUNG, dtype=np.uint8)
    else:
        frame_labels = labels.READERS[song.labels](song.label_file, song.path.name, frames)
    return {"log_mel": spectrogram.half().contiguous(), "labels": torch.from_numpy(frame_labels)}


def main(argv: list[str] | None = None) -> None:
    from tune_am.vocal.stages import stage_parser

    parser = stage_parser(__doc__, data=True)
    options = parser.parse_args(argv)
    build_corpus(options.data, options.work, options.debian, options.corpus)


if __name__ == "__main__":
    from tune_am.vocal.stages import run_stage

    run_stage(main)
