import json
import os

import pytest

from tests.commands import command
from tune_am.errors import UserError
from tune_am.vocal.batches import Batches
from tune_am.vocal.corpus import build_corpus, load_corpus
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


def test_batches_are_half_sung(corpus):
    import torch

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
