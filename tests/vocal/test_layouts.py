"""The corpora of others: small trees laid out as those are, through the real command."""

import itertools
import os
import shutil
import unicodedata
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import soundfile
import torch

from tests.commands import command
from tune_am.errors import UserError
from tune_am.vocal import corpus as stage
from tune_am.vocal.batches import Batches
from tune_am.vocal.corpus import build_corpus, load_corpus
from tune_am.vocal.labels import NOT_SUNG, SUNG, UNCERTAIN
from tune_am.vocal.layouts import describe_sources, songs_of

CLIP = Path(__file__).parents[1] / "data" / "starfall.ogg"
SPLITS = ("train", "valid", "test")
LAB = "0 1.0 nosing\n1.0 2.5 sing\n2.5 4.0 nosing\n"
# The hashes of these artists deal them into those splits.
ARTISTS = {"train": "Ana", "valid": "Ben", "test": "Mia"}
HEADER = "URL,Filepath,Artist,Title,Genre,LicenseType,Language,LyricOverlap,Polyphonic,NonLexical\n"
WORDS = "word_start,word_end,line_end\n1.0,1.5,nan\n1.7,2.0,2.0\n"


@pytest.fixture(scope="module")
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


# A frame is 1/70 s; 4 s have 281 of them, and the last one lies past the last segment.
JAMENDO_SPANS = [(NOT_SUNG, 0, 70), (SUNG, 70, 175), (NOT_SUNG, 175, 280), (UNCERTAIN, 280, 281)]


def test_jamendo_as_it_unpacks(jamendo, tmp_path):
    done = corpus_command("jamendo", jamendo, tmp_path / "work")

    assert done.returncode == 0, done.stderr
    tracks = load_corpus(tmp_path / "work")
    assert [(t.name, t.split) for t in tracks] == [(f"01 - {s}. Été", s) for s in SPLITS]
    for track in tracks:
        assert track.sung
        assert not track.showable
        assert track.log_mel.shape == (80, 281)
        assert spans(track.labels) == JAMENDO_SPANS


def test_jamendo_with_lists(listed_jamendo, tmp_path):
    build_corpus(listed_jamendo, tmp_path / "work", corpus="jamendo")

    tracks = load_corpus(tmp_path / "work")
    assert [(t.name, t.split) for t in tracks] == [(s, s) for s in SPLITS]
    assert all(spans(track.labels)[:2] == JAMENDO_SPANS[:2] for track in tracks)
    # Splits are by artist: no test song may count as one of a singer of training songs.
    assert len({track.source for track in tracks}) == 3


def test_words_of_jamendolyrics(lyrics, tmp_path):
    stage.main(
        ["--corpus", "jamendolyrics", "--data", str(lyrics), "--work", str(tmp_path / "work")]
    )

    tracks = {track.split: track for track in load_corpus(tmp_path / "work")}
    frames = len(tracks["train"].labels)
    assert frames == pytest.approx(281, abs=10)  # mp3 pads
    # The words join, 0.1 s before and 0.5 s after them nobody is certain.
    around = [(UNCERTAIN, 63, 70), (SUNG, 70, 140), (UNCERTAIN, 140, 175)]
    between = [(NOT_SUNG, 0, 63), *around, (NOT_SUNG, 175, frames)]
    assert spans(tracks["train"].labels) == spans(tracks["valid"].labels) == between
    # There is singing without words in this one: it may lie anywhere.
    everywhere = [(UNCERTAIN, 0, 70), (SUNG, 70, 140), (UNCERTAIN, 140, frames)]
    assert spans(tracks["test"].labels) == everywhere
    assert {s: t.source for s, t in tracks.items()} == {
        split: f"jamendolyrics/{artist}" for split, artist in ARTISTS.items()
    }
    assert [tracks[split].showable for split in SPLITS] == [True, False, False]


def test_words_of_two_singers_may_overlap(lyrics, tmp_path):
    song = next((lyrics / "annotations" / "words").glob("*train*"))
    song.write_text("word_start,word_end,line_end\n1.0,3.0,nan\n1.5,2.0,nan\n0.5,0.6,0.6\n")

    build_corpus(lyrics, tmp_path / "work", corpus="jamendolyrics")

    (train,) = load_corpus(tmp_path / "work", "train")
    assert [span for span in spans(train.labels) if span[0] == SUNG] == [
        (SUNG, 35, 42),
        (SUNG, 70, 210),
    ]


def test_a_corpus_without_instrumental_music_gives_batches(jamendo, tmp_path):
    build_corpus(jamendo, tmp_path / "work", corpus="jamendo")
    batches = Batches(load_corpus(tmp_path / "work", "train"))

    x, labels = batches.draw(16, torch.Generator().manual_seed(0))

    assert x.shape == (16, 80, 115)
    assert labels.tolist() == [1.0] * 8 + [0.0] * 8
    assert batches.instrumental(4, torch.Generator().manual_seed(0)).shape == (4, 80, 115)


def test_what_was_done_is_kept_until_its_labels_change(jamendo, tmp_path):
    work = tmp_path / "work"
    build_corpus(jamendo, work, corpus="jamendo")
    files = sorted((work / "corpus").glob("*.safetensors"))
    before = [os.stat(file).st_mtime_ns for file in files]

    build_corpus(jamendo, work, corpus="jamendo")
    assert [os.stat(file).st_mtime_ns for file in files] == before

    label_file = next((jamendo / "jamendo_lab").glob("*train*"))
    label_file.write_text("0 4.0 sing\n")
    build_corpus(jamendo, work, corpus="jamendo")
    (train,) = load_corpus(work, "train")
    assert spans(train.labels) == [(SUNG, 0, 280), (UNCERTAIN, 280, 281)]
    assert [os.stat(file).st_mtime_ns for file in files[1:]] == before[1:]


def test_a_work_folder_keeps_to_its_corpus(jamendo, lyrics, tmp_path):
    build_corpus(jamendo, tmp_path / "work", corpus="jamendo")
    with pytest.raises(UserError, match="holds the corpus 'jamendo'"):
        build_corpus(lyrics, tmp_path / "work", corpus="jamendolyrics")


def test_a_work_folder_of_before_the_layouts_is_of_the_house(recordings, jamendo, tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "corpus.json").write_text("[]")
    with pytest.raises(UserError, match="holds the corpus 'house'"):
        build_corpus(jamendo, tmp_path, corpus="jamendo")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 nosing\n1 2 song\n", r"2: '1 2 song' is not 'START END sing'"),
        ("0 one sing\n", r"1: '0', 'one' are not a start and an end in seconds"),
        ("0 nan sing\n", r"1: '0', 'nan' are not a start and an end"),
        ("\n2 1 sing\n", r"2: ends at 1 s, before it starts at 2 s"),
        ("0 2 sing\n1.5 3 nosing\n", r"2: starts at 1.5 s, before the segment above .* 2 s"),
        ("0 4 nosing\n4 9.5 sing\n", r"2: ends at 9.5 s, but the recording has only 4.0 s"),
        ("\n", r"Été.lab has no labels"),
    ],
)
def test_broken_labels_are_named_with_their_line(jamendo, tmp_path, text, message):
    next((jamendo / "jamendo_lab").glob("*valid*")).write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        build_corpus(jamendo, tmp_path / "work", corpus="jamendo")
    assert "01 - valid. Été.lab" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "work" / "corpus" / "corpus.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("word_start,line_end\n1.0,nan\n", r"1: no columns word_start and word_end"),
        ("word_start,word_end,line_end\n1.0\n", r"2: '1.0', '' are not a start and an end"),
        ("word_start,word_end,line_end\n3,2,nan\n", r"2: ends at 2 s, before it starts at 3 s"),
        ("word_start,word_end,line_end\n3,7,nan\n", r"2: ends at 7 s, but the recording has only"),
        ("word_start,word_end,line_end\n", "has no words"),
        (b"\xff\xfe\x00", "is not a text file that can be read"),
    ],
)
def test_broken_words_are_named_with_their_line(lyrics, tmp_path, text, message):
    song = next((lyrics / "annotations" / "words").glob("*valid*"))
    song.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as caught:
        build_corpus(lyrics, tmp_path / "work", corpus="jamendolyrics")
    assert str(song) in str(caught.value)


def test_a_broken_jamendo_is_named(jamendo, tmp_path):
    def message():
        with pytest.raises(UserError) as caught:
            list(songs_of("jamendo", jamendo, tmp_path))
        return str(caught.value)

    (jamendo / "jamendo_lab" / "01 - test. Été.lab").unlink()
    assert "01 - test. Été.ogg has no labels: no 01 - test. Été.lab in" in message()
    (jamendo / "test" / "01 - test. Été.ogg").rename(jamendo / "test" / "01 - train. Été.ogg")
    assert "is a song of 'train' and of 'test'" in message()
    (jamendo / "test" / "01 - train. Été.ogg").unlink()
    assert "has no songs for 'test'" in message()
    (jamendo / "jamendo_lab").rename(jamendo / "elsewhere")
    assert "expected train/, valid/, test/ with the audio and jamendo_lab/" in message()


def test_broken_lists_of_jamendo_are_named(listed_jamendo, tmp_path):
    (listed_jamendo / "filelists" / "valid").write_text("valid.mp3\nother.mp3\n")
    with pytest.raises(UserError, match=r"valid:2: no audio file 'other.mp3' in .*audio"):
        songs_of("jamendo", listed_jamendo, tmp_path)
    (listed_jamendo / "filelists" / "valid").unlink()
    with pytest.raises(UserError, match=r"no .*valid: expected a list"):
        songs_of("jamendo", listed_jamendo, tmp_path)


def test_a_broken_jamendolyrics_is_named(lyrics, tmp_path):
    listing = lyrics / "JamendoLyrics.csv"
    whole = listing.read_text()

    def message(text=whole):
        listing.write_text(text)
        with pytest.raises(UserError) as caught:
            songs_of("jamendolyrics", lyrics, tmp_path)
        return str(caught.value)

    assert "csv:3: no Artist" in message(whole.replace(",Ben,", ",,"))
    assert "csv:1: no column LicenseType" in message(whole.replace("LicenseType", "License"))
    assert "csv has no songs for 'test'" in message(whole.replace(",Mia,", ",Ana,"))
    next((lyrics / "annotations" / "words").glob("*train*")).unlink()
    assert "has no labels: no Été_-_train.csv in annotations/words/" in message()
    next((lyrics / "mp3").glob("*train*")).unlink()
    assert "csv:2: no audio file 'Été_-_train.mp3'" in message()
    listing.unlink()
    with pytest.raises(UserError, match=r"expected JamendoLyrics.csv, mp3/ and annotations/words/"):
        songs_of("jamendolyrics", lyrics, tmp_path)


def test_the_command_says_what_is_wrong_in_one_line(jamendo, tmp_path):
    done = corpus_command("jamendo", tmp_path, tmp_path / "work")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path} is not laid out as the Jamendo set: expected")
    assert done.stderr.count("\n") == 1

    with pytest.raises(UserError, match="no corpus 'jam': choose house, jamendo or jamendolyrics"):
        stage.main(["--corpus", "jam", "--data", str(jamendo), "--work", str(tmp_path / "work")])


def test_sources_for_the_card(recordings, jamendo, lyrics):
    (whole,) = describe_sources("jamendo", jamendo)
    assert (whole["id"], whole["licence"], whole["excerpts"]) == ("jamendo", "see the set", False)
    song = describe_sources("jamendolyrics", lyrics)[0]
    assert song == {
        "role": "sung",
        "id": "Été_-_train",
        "artist": "Ana",
        "licence": "CC-BY-SA",
        "split": "train",
        "excerpts": True,
    }
    house = describe_sources("house", recordings)
    assert [(row["role"], row["id"]) for row in house] == [
        ("sung", "one"),
        ("sung", "two"),
        ("sung", "three"),
        ("no_singing", "noise"),
    ]
