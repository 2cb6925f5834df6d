"""The Jamendo set, as small trees, through the real command."""

import os

import pytest
import torch

from tests.vocal.layout_trees import SPLITS, corpus_command, spans
from tune_am.errors import UserError
from tune_am.vocal.batches import Batches
from tune_am.vocal.corpus import build_corpus, load_corpus
from tune_am.vocal.labels import NOT_SUNG, SUNG, UNCERTAIN
from tune_am.vocal.layouts import songs_of

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
