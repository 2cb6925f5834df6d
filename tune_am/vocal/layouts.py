"""How the recordings of a corpus lie on disk -> its list of songs.

``house``: this project's own, ``sources.json`` (see ``sources``).

``jamendo``: 93 songs with singing labelled by hand (Ramona, Richard and David 2008), its published
splits, which are by artist. As its archives unpack, ``train/``, ``valid/``, ``test/`` with the
audio and ``jamendo_lab/SONG.lab``; or as Schlüter and Grill (2015) arranged it, ``audio/``,
``labels/SONG.lab`` and ``filelists/{train,valid,test}``.

``jamendolyrics``: 79 songs with word times (Stoller, Durand and Ewert 2019; Durand, Stoller and
Ewert 2023), a clone of its repository: ``JamendoLyrics.csv``, ``mp3/`` (or ``subsets/*/mp3/``) and
``annotations/words/SONG.csv``. It has no splits: artists are dealt out by hash.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tune_am.errors import UserError
from tune_am.vocal.labels import read_lab, read_text, read_words
from tune_am.vocal.sources import AUDIO, LEFT_OUT, Song, find_songs, split_by_hash

HOUSE, JAMENDO, JAMENDOLYRICS = "house", "jamendo", "jamendolyrics"
SPLITS = ("train", "valid", "test")
SEE_THE_SET = "see the set"  # a licence that the files do not name

_LISTING = "JamendoLyrics.csv"


def songs_of(corpus: str, data: Path, work: Path, debian: Path | None = None) -> Iterable[Song]:
    """Every song of a corpus (``house``, ``jamendo`` or ``jamendolyrics``) that lies in ``data``.

    Label files are read through once, so that a broken one is named before hours of work.

    Args:
        work, debian: where the house corpus unpacks and finds Debian packages.

    Raises:
        UserError: no such corpus, a folder laid out otherwise, a file that is missing or broken.
    """
    if corpus == HOUSE:
        return find_songs(data, work, debian)
    if corpus not in _SETS:
        raise UserError(f"no corpus {corpus!r}: choose {HOUSE}, {JAMENDO} or {JAMENDOLYRICS}")
    return list(_SETS[corpus](data))


def describe_sources(corpus: str, data: Path) -> list[dict[str, Any]]:
    """Sources of a corpus for ``pack.json`` and the data card: role, id, licence, split, ..."""
    if corpus == JAMENDO:
        by = "Ramona, Richard and David (2008): 93 songs of Jamendo"
        facts = {"licence": SEE_THE_SET, "split": "as published", "excerpts": False}
        return [{"role": "sung", "id": JAMENDO, "artist": by} | facts]
    if corpus == JAMENDOLYRICS:
        return [
            {"role": "sung", "id": song.name, "artist": song.source.partition("/")[2]}
            | {"licence": song.licence, "split": song.split, "excerpts": song.excerpts}
            for song in _jamendolyrics(data)
        ]
    listing = json.loads((data / "sources.json").read_text(encoding="utf-8"))
    keys = ("id", "artist", "debian", "path", "licence", "split", "excerpts")
    return [
        {"role": role} | {key: source[key] for key in keys if key in source}
        for role in ("sung", "no_singing")
        for source in listing[role]
        if source["id"] not in LEFT_OUT
    ]


def _jamendo(data: Path) -> Iterator[Song]:
    labels = next((data / n for n in ("jamendo_lab", "labels") if (data / n).is_dir()), None)
    lists = data / "filelists"
    if labels is None or not (lists.is_dir() or any((data / split).is_dir() for split in SPLITS)):
        raise UserError(
            f"{data} is not laid out as the Jamendo set: expected train/, valid/, test/ with the "
            "audio and jamendo_lab/ with a .lab file for each; or audio/, labels/ and "
            "filelists/{train,valid,test}"
        )
    files = {_plain(path.name): path for path in labels.glob("*.lab")}
    seen: dict[str, str] = {}
    for split in SPLITS:
        paths = _listed(lists / split, data / "audio") if lists.is_dir() else _in(data / split)
        if not paths:
            raise UserError(f"{lists if lists.is_dir() else data} has no songs for {split!r}")
        for path in paths:
            name = _plain(path.stem)
            if name in seen:
                raise UserError(f"{path} is a song of {seen[name]!r} and of {split!r}: keep one")
            seen[name] = split
            file = files.get(f"{name}.lab")
            if file is None:
                raise UserError(f"{path} has no labels: no {name}.lab in {labels}")
            read_lab(file)
            # No list says who sings; splits are by artist, so a song may stand for its own.
            source = f"{JAMENDO}/{name}"
            yield Song(name, source, split, path, "lab", SEE_THE_SET, False, file)


def _in(folder: Path) -> list[Path]:
    """Audio files of a folder; ``._NAME`` are what a Mac leaves in archives."""
    paths = sorted(folder.glob("*"))
    return [p for p in paths if p.suffix.lower() in AUDIO and not p.name.startswith("._")]


def _listed(file: Path, folder: Path) -> list[Path]:
    if not file.is_file():
        raise UserError(f"no {file}: expected a list with the name of an audio file on each line")
    audio = {_plain(path.name): path for path in _in(folder)}
    paths = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip():
            continue
        path = audio.get(_plain(line.strip()))
        if path is None:
            raise UserError(f"{file}:{number}: no audio file {line.strip()!r} in {folder}")
        paths.append(path)
    return paths


def _jamendolyrics(data: Path) -> Iterator[Song]:
    listing = data / _LISTING
    if not listing.is_file():
        raise UserError(
            f"{data} is not laid out as JamendoLyrics: expected {_LISTING}, mp3/ and "
            "annotations/words/, as in its repository"
        )
    folders = [data / "mp3", *sorted(data.glob("subsets/*/mp3"))]
    audio = {_plain(path.name): path for folder in folders for path in _in(folder)}
    words = {_plain(path.name): path for path in (data / "annotations" / "words").glob("*.csv")}
    songs = [_lyrics_song(*row, audio, words) for row in _rows(listing)]
    for split in SPLITS:
        if not any(song.split == split for song in songs):
            raise UserError(
                f"{listing} has no songs for {split!r}: a tenth of the artists each are for "
                "validation and test, by hash; list more songs"
            )
    yield from songs


def _rows(listing: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of the set's list, each with ``FILE:LINE``."""
    needed = ("Filepath", "Artist", "LicenseType")
    rows = csv.DictReader(read_text(listing).splitlines())
    if missing := [name for name in needed if name not in (rows.fieldnames or ())]:
        raise UserError(f"{listing}:1: no column {missing[0]} (needed: {', '.join(needed)})")
    for row in rows:
        where = f"{listing}:{rows.line_num}"
        if empty := [name for name in needed if not (row[name] or "").strip()]:
            raise UserError(f"{where}: no {empty[0]}")
        yield where, row


def _lyrics_song(
    where: str, row: dict[str, str], audio: dict[str, Path], words: dict[str, Path]
) -> Song:
    name = _plain(row["Filepath"].strip())
    path = audio.get(name)
    if path is None:
        raise UserError(f"{where}: no audio file {name!r} in mp3/ (or subsets/*/mp3/)")
    file = words.get(f"{Path(name).stem}.csv")
    if file is None:
        raise UserError(f"{path} has no labels: no {Path(name).stem}.csv in annotations/words/")
    read_words(file)
    artist = " ".join(_plain(row["Artist"]).split())
    licence, excerpts = _licence(row["LicenseType"])
    return Song(
        name=Path(name).stem,
        source=f"{JAMENDOLYRICS}/{artist}",
        split=split_by_hash(f"{JAMENDOLYRICS}/{artist.casefold()}"),
        path=path,
        labels="some words" if _true(row.get("NonLexical")) else "words",
        licence=licence,
        excerpts=excerpts,
        label_file=file,
    )


def _licence(text: str) -> tuple[str, bool]:
    """Creative Commons licence as ``CC-BY-SA``, and whether excerpts of the song may be shown:
    not with NC or ND, nor with anything unknown."""
    parts = re.findall(r"[A-Z]+|[\d.]+", text.upper().replace("CC", ""))
    free = all(part in ("BY", "SA") or part[0].isdigit() for part in parts)
    return "-".join(["CC", *parts]) if parts else SEE_THE_SET, free and "BY" in parts


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() == "true"


def _plain(name: str) -> str:
    """A name with its accents composed: file systems and lists differ in that."""
    return unicodedata.normalize("NFC", name)


_SETS: dict[str, Callable[[Path], Iterator[Song]]] = {
    JAMENDO: _jamendo,
    JAMENDOLYRICS: _jamendolyrics,
}
