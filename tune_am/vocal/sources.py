"""Which recordings the vocal pack learns from: ``sources.json`` -> a list of songs on disk.

Karaoke folders lie beside ``sources.json``. Debian packages are downloaded and unpacked (never
installed) into the work folder, unless the user gives a folder that holds them already, as
``PACKAGE_*.deb`` or unpacked as ``PACKAGE/``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tune_am.errors import UserError

AUDIO = {".ogg", ".mp3", ".flac", ".wav", ".opus"}
# Where a package also holds speech or sound effects, only this folder of it is music.
MUSIC_FOLDER = {"hedgewars": "Music", "warmux": "music", "colobot": "music"}
# Left out whole: some pieces have choirs, and no list says which.
LEFT_OUT = {"wesnoth"}


@dataclass(frozen=True)
class Song:
    """One recording: where it lies, what it is for, how its singing is labelled."""

    name: str
    source: str
    split: str  # train, valid or test
    path: Path
    labels: str  # how it is labelled: a key of ``labels.READERS``, or "none": nobody sings in it
    licence: str
    excerpts: bool  # whether excerpts of it may be shown
    label_file: Path | None = None


def find_songs(data: Path, work: Path, debian: Path | None = None) -> Iterator[Song]:
    """Every song of ``data/sources.json``; downloads what it needs into ``work``.

    Raises:
        UserError: no sources.json, a song that is not there, a package that cannot be had.
    """
    listing = data / "sources.json"
    if not listing.is_file():
        raise UserError(f"no sources.json in {data}: give the folder that lists the recordings")
    sources = json.loads(listing.read_text(encoding="utf-8"))
    for source in sources["sung"]:
        if "debian" in source:
            yield from _hand_labelled(source, data, unpacked(source["debian"], work, debian))
        else:
            yield from _karaoke(source, data)
    for source in sources["no_singing"]:
        if source["id"] in LEFT_OUT:
            continue
        if "debian" in source:
            yield from _instrumental(source, unpacked(source["debian"], work, debian))
        else:
            path = data / source["path"]
            yield _song(path.parent.name, source, source["split"], path, "none")


def unpacked(package: str, work: Path, debian: Path | None) -> Path:
    """Folder with the files of a Debian package, zip archives (.pk3) inside it unpacked too."""
    target = work / "debian" / package
    if target.is_dir():
        return target
    if debian is not None and (debian / package).is_dir():
        return debian / package
    archives = sorted((debian or work).glob(f"{package}_*.deb"))
    if not archives:
        _download(package, work)
        archives = sorted(work.glob(f"{package}_*.deb"))
    partial = target.with_name(package + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        subprocess.run(["dpkg-deb", "-x", str(archives[-1]), str(partial)], check=True)
        for archive in partial.rglob("*.pk3"):
            with zipfile.ZipFile(archive) as files:
                files.extractall(archive.with_suffix(".unzipped"))
    except (OSError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
        raise UserError(f"cannot unpack {archives[-1]}: {error}") from None
    partial.rename(target)
    return target


def _download(package: str, work: Path) -> None:
    try:
        subprocess.run(["apt-get", "download", package], check=True, cwd=work, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise UserError(
            f"cannot download the Debian package {package} with 'apt-get download': get it "
            "elsewhere and name its folder with --debian DIR"
        ) from None


def _karaoke(source: dict, data: Path) -> Iterator[Song]:
    folders = sorted(data.glob(source["path"]))
    if len(folders) != source["songs"]:
        raise UserError(
            f"{data / source['path']}: {source['songs']} song folders expected, {len(folders)} "
            "found: get the missing ones or correct sources.json"
        )
    for folder in folders:
        # The #MP3 header may name another extension than the file has: take what is there.
        path = next((p for p in sorted(folder.glob("audio.*")) if p.suffix in AUDIO), None)
        if path is None:
            raise UserError(f"{folder} holds no audio.ogg or audio.mp3: get the song's recording")
        yield _song(folder.name, source, source["split"], path, "notes", folder / "song.txt")
        instrumental = folder / "instrumental.mp3"
        if instrumental.is_file():
            name = f"{folder.name} (instrumental)"
            yield _song(name, source, source["split"], instrumental, "none")


def _hand_labelled(source: dict, data: Path, files: Path) -> Iterator[Song]:
    labelled = json.loads((data / source["labels"]).read_text(encoding="utf-8"))
    held_out = {
        name: split
        for split, names in source["split"].items()
        if isinstance(names, list)
        for name in names
    }
    for path in sorted(files.glob(source["glob"])):
        if path.name in labelled:
            split = held_out.get(path.name, "train")
            yield _song(path.name, source, split, path, "hand", data / source["labels"])


def _instrumental(source: dict, files: Path) -> Iterator[Song]:
    folder = MUSIC_FOLDER.get(source["id"])
    for path in sorted(files.rglob("*")):
        if path.suffix.lower() not in AUDIO or (folder and folder not in path.parts):
            continue
        name = str(path.relative_to(files))
        yield _song(name, source, split_by_hash(f"{source['id']}/{name}"), path, "none")


def split_by_hash(name: str) -> str:
    """Split of what has no published one: a tenth of the names each for validation and test, the
    same on every machine."""
    draw = hashlib.sha256(name.encode()).digest()[0] % 10
    return {0: "valid", 1: "test"}.get(draw, "train")


def _song(
    name: str, source: dict, split: str, path: Path, labels: str, label_file: Path | None = None
) -> Song:
    return Song(
        name=name,
        source=source["id"],
        split=split,
        path=path,
        labels=labels,
        licence=source["licence"],
        excerpts=source.get("excerpts", False),
        label_file=label_file,
    )
