"""A folder of recordings as the vocal pack's build expects it, a few seconds of each."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

CLIP = Path(__file__).parents[1] / "data" / "starfall.ogg"


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    """``sources.json``, three karaoke songs (train, valid, test) and an unpacked package.

    The songs are a real recording at three speeds; its singer enters at second 7.7.
    """
    folder = tmp_path_factory.mktemp("recordings")
    samples, rate = soundfile.read(CLIP)
    sources = []
    for name, split, speed in (
        ("One", "train", 1.0),
        ("Two", "valid", 1.1),
        ("Three", "test", 0.9),
    ):
        song = folder / "karaoke" / f"{name} - Song"
        song.mkdir(parents=True)
        soundfile.write(song / "audio.ogg", samples, int(rate * speed))
        start, length = (round(second / speed * 4) for second in (7.7, 7.0))
        # A beat is 15 / 60 = 0.25 s.
        notes = f"#BPM:60\n#GAP:0\n#MP3:song.mp3\n: {start} {length} 0 la\nE\n"
        (song / "song.txt").write_text(notes)
        sources.append(
            {
                "id": name.lower(),
                "path": f"karaoke/{name} - *",
                "songs": 1,
                "artist": name,
                "licence": "CC-BY-SA-3.0",
                "labels": "song.txt",
                "split": split,
                "excerpts": split == "train",
            }
        )
    music = folder / "debian" / "noise-music" / "usr" / "share"
    music.mkdir(parents=True)
    for piece in (1, 26, 0):  # their hashes fall into train, valid and test
        noise = 0.1 * np.random.default_rng(piece).standard_normal(25 * 8000)
        soundfile.write(music / f"{piece}.wav", noise, 8000)
    soundfile.write(music / "jingle.wav", noise[:8000], 8000)
    instrumental = {"id": "noise", "debian": "noise-music", "licence": "CC0-1.0"}
    (folder / "sources.json").write_text(
        json.dumps({"sung": sources, "no_singing": [instrumental]})
    )
    return folder


@pytest.fixture(scope="session")
def corpus(recordings, tmp_path_factory) -> Path:
    """Work folder with the corpus stage done."""
    from tune_am.vocal.corpus import build_corpus

    work = tmp_path_factory.mktemp("work")
    build_corpus(recordings, work, recordings / "debian")
    return work


@pytest.fixture
def work(corpus, tmp_path):
    """A work folder of the test's own that shares the corpus."""
    (tmp_path / "corpus").symlink_to(corpus / "corpus")
    return tmp_path
