"""Small trees laid out as the corpora of others are, and what their songs' labels are."""

import itertools
import shutil
import unicodedata
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import soundfile
import torch

from tests.commands import command

CLIP = Path(__file__).parents[1] / "data" / "starfall.ogg"
SPLITS = ("train", "valid", "test")
LAB = "0 1.0 nosing\n1.0 2.5 sing\n2.5 4.0 nosing\n"
# The hashes of these artists deal them into those splits.
ARTISTS = {"train": "Ana", "valid": "Ben", "test": "Mia"}
HEADER = "URL,Filepath,Artist,Title,Genre,LicenseType,Language,LyricOverlap,Polyphonic,NonLexical\n"
WORDS = "word_start,word_end,line_end\n1.0,1.5,nan\n1.7,2.0,2.0\n"


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """``clip.ogg`` and ``clip.mp3``: four seconds of a real song around its singer's entry."""
    samples, rate = soundfile.read(CLIP)
    folder = tmp_path_factory.mktemp("clips")
    for name in ("clip.ogg", "clip.mp3"):
        soundfile.write(folder / name, samples[6 * rate : 10 * rate], rate)
    return folder


@pytest.fixture
def jamendo(clips, tmp_path) -> Path:
    """As the archives of Ramona et al. unpack."""
    folder = tmp_path / "jamendo"
    (folder / "jamendo_lab").mkdir(parents=True)
    for split in SPLITS:
        (folder / split).mkdir()
        shutil.copy(clips / "clip.ogg", folder / split / f"01 - {split}. Été.ogg")
        (folder / "jamendo_lab" / f"01 - {split}. Été.lab").write_text(LAB)
    (folder / "train" / "._01 - train. Été.ogg").write_bytes(b"")  # a Mac's leavings
    return folder


@pytest.fixture
def listed_jamendo(clips, tmp_path) -> Path:
    """As Schlüter and Grill arranged it."""
    folder = tmp_path / "jamendo"
    for name in ("audio", "labels", "filelists"):
        (folder / name).mkdir(parents=True)
    for split in SPLITS:
        shutil.copy(clips / "clip.mp3", folder / "audio" / f"{split}.mp3")
        (folder / "labels" / f"{split}.lab").write_text(LAB.replace("nosing", "0"))
        (folder / "filelists" / split).write_text(f"{split}.mp3\n\n")
    return folder


@pytest.fixture
def lyrics(clips, tmp_path) -> Path:
    """As a clone of JamendoLyrics on a Mac, which takes accents apart in the names of files."""
    folder = tmp_path / "jamendolyrics"
    (folder / "mp3").mkdir(parents=True)
    (folder / "annotations" / "words").mkdir(parents=True)
    listing = HEADER
    for split, licence, wordless in (
        ("train", "CC BY-SA", "false"),
        ("valid", "BY-NC-SA", "false"),
        ("test", "CC  BY-ND", "true"),
    ):
        name = f"Été_-_{split}"
        on_disk = unicodedata.normalize("NFD", name)
        shutil.copy(clips / "clip.mp3", folder / "mp3" / f"{on_disk}.mp3")
        (folder / "annotations" / "words" / f"{on_disk}.csv").write_text(WORDS)
        listing += f"u,{name}.mp3,{ARTISTS[split]},T,Pop,{licence},French,false,false,{wordless}\n"
    (folder / "JamendoLyrics.csv").write_text(listing)
    return folder


def corpus_command(corpus: str, data: Path, work: Path) -> CompletedProcess[str]:
    given = ("--corpus", corpus, "--data", data, "--work", work)
    return command("tune_am.vocal.corpus", *given)


def spans(labels: torch.Tensor) -> list[tuple[int, int, int]]:
    """(label, first frame, end) of each run of equal labels."""
    edges = (torch.nonzero(labels.diff()).squeeze(1) + 1).tolist()
    edges = [0, *edges, len(labels)]
    return [(int(labels[a]), a, b) for a, b in itertools.pairwise(edges)]
