import json
import os
import shutil

import pytest
import torch

from tests.commands import command
from tune_am.errors import UserError
from tune_am.vocal.batches import Batches
from tune_am.vocal.corpus import build_corpus, corpus_digest, load_corpus, tracks_digest
from tune_am.vocal.labels import NOT_SUNG, SUNG
from tune_am.vocal.sources import find_songs


def test_songs_keep_their_split_and_labels(corpus):
    sung = {track.source: track for track in load_corpus(corpus) if track.sung}

    assert {source: track.split for source, track in sung.items()} == {
        "one": "train",
        "two": "valid",
        "three": "test",
    }
    for track in sung.values():
        assert track.log_mel.shape == (80, len(track.labels))
        assert {NOT_SUNG, SUNG} < set(track.labels.tolist())


def test_jingles_are_left_out_and_pieces_spread_over_the_splits(corpus):
    pieces = [track for track in load_corpus(corpus) if track.source == "noise"]

    assert not any("jingle" in track.name for track in pieces)
    assert {track.split for track in pieces} == {"train", "valid", "test"}
    assert len(load_corpus(corpus, "train", "valid", "test")) == len(load_corpus(corpus))


def test_a_second_run_keeps_what_is_there(recordings, corpus):
    files = sorted((corpus / "corpus").glob("*.safetensors"))
    before = [os.stat(file).st_mtime_ns for file in files]

    build_corpus(recordings, corpus, recordings / "debian")

    assert [os.stat(file).st_mtime_ns for file in files] == before


@pytest.fixture
def copies(recordings, corpus, tmp_path):
    """Recordings and corpus of the test's own."""
    shutil.copytree(recordings, tmp_path / "data")
    shutil.copytree(corpus / "corpus", tmp_path / "work" / "corpus")
    return tmp_path / "data", tmp_path / "work"


def test_another_recording_or_label_of_the_same_name_is_taken_in(copies):
    data, work = copies
    before, digest = load_corpus(work), corpus_digest(work)
    song = data / "karaoke" / "One - Song"
    shutil.copy(data / "karaoke" / "Three - Song" / "audio.ogg", song)
    notes = data / "karaoke" / "Three - Song" / "song.txt"
    notes.write_text(notes.read_text().replace("#GAP:0", "#GAP:500"))

    build_corpus(data, work, data / "debian")

    after = load_corpus(work)
    changed = [a.source for a, b in zip(after, before, strict=True) if not same(a, b)]
    assert changed == ["one", "three"]
    assert corpus_digest(work) != digest
    assert tracks_digest(after) != tracks_digest(before)
    assert tracks_digest(after[1:2]) == tracks_digest(before[1:2])


def same(one, other):
    return torch.equal(one.log_mel, other.log_mel) and torch.equal(one.labels, other.labels)


def test_a_corpus_made_by_half_is_not_learned_from(copies, monkeypatch):
    """Its files have numbers: cut short, one may be another song's than the list says."""
    data, work = copies
    sources = json.loads((data / "sources.json").read_text())
    sources["sung"].reverse()
    (data / "sources.json").write_text(json.dumps(sources))
    monkeypatch.setattr("tune_am.vocal.corpus.load_file", cut)
    with pytest.raises(Cut):
        build_corpus(data, work, data / "debian")
    monkeypatch.undo()

    with pytest.raises(UserError, match=r"is half made: run .* again"):
        load_corpus(work, "train")
    build_corpus(data, work, data / "debian")
    assert [track.source for track in load_corpus(work, "train")][:1] == ["one"]


class Cut(Exception):
    pass


def cut(*_):
    raise Cut


def test_only_music_without_singing_is_limited(copies, monkeypatch):
    data, work = copies
    shutil.rmtree(work)
    song = data / "karaoke" / "One - Song"
    shutil.copy(song / "audio.ogg", song / "instrumental.mp3")
    monkeypatch.setattr("tune_am.vocal.corpus.MINUTES_PER_SOURCE", 0.1)
    monkeypatch.setattr("tune_am.vocal.corpus.SHORTEST_PIECE", 5)
    build_corpus(data, work, data / "debian")
    assert [track.sung for track in load_corpus(work) if track.source == "one"] == [True, False]


def test_batches_are_half_sung(corpus):
    batches = Batches(load_corpus(corpus))

    x, labels = batches.draw(16, torch.Generator().manual_seed(0))

    assert x.shape == (16, 80, 115)
    assert labels.tolist() == [1.0] * 8 + [0.0] * 8
    # The instrumental piece was sampled at 8 kHz: above 4 kHz there is nothing in it.
    dull = x[:, 75].mean(dim=1) < -4
    assert dull.tolist() == [False] * 12 + [True] * 4


def test_missing_songs_are_named(recordings, tmp_path):
    sources = json.loads((recordings / "sources.json").read_text())
    sources["sung"][0]["songs"] = 2
    (tmp_path / "sources.json").write_text(json.dumps(sources))
    with pytest.raises(UserError, match="2 song folders expected, 0 found"):
        list(find_songs(tmp_path, tmp_path))


def test_a_folder_without_a_list_gets_one_line(tmp_path):
    done = command("tune_am.vocal.corpus", "--data", tmp_path, "--work", tmp_path / "work")
    assert done.returncode == 2
    assert done.stderr == (
        f"error: no sources.json in {tmp_path}: give the folder that lists the recordings\n"
    )
