"""What the detector is measured on."""

from __future__ import annotations

import json
import shutil

import torch
from safetensors.torch import save_file

from tune_am.vocal.corpus import Track
from tune_am.vocal.held_out import _groups, held_out
from tune_am.vocal.melspec import BANDS
from tune_am.vocal.nets import Detector


def test_an_instrumental_version_does_not_thin_out_the_errors_on_singers() -> None:
    def track(name: str, sung: bool) -> Track:
        empty = torch.zeros(BANDS, 1), torch.zeros(1)
        return Track(name, "an act", "test", sung, False, *empty)

    groups = _groups([track("song", True), track("song (instrumental)", False)])
    named = {group: [song.name for song in songs] for group, songs in groups.items()}
    assert named == {"test": ["song"], "instrumental": ["song (instrumental)"]}


def test_held_out_measures_know_their_corpus(work, corpus, monkeypatch):
    (work / "detector").mkdir()
    save_file(Detector().state_dict(), work / "detector" / "detector.safetensors")
    measured = []
    monkeypatch.setattr("tune_am.vocal.held_out.detector_metrics", lambda *_: measured.append(0))
    monkeypatch.setattr(
        "tune_am.vocal.held_out.collect", lambda *_: {"fc9": torch.zeros(len(measured), 1)}
    )
    for _ in range(2):
        held_out(work)
    assert len(measured) == 1
    (work / "corpus").unlink()
    shutil.copytree(corpus / "corpus", work / "corpus")
    index = work / "corpus" / "corpus.json"
    songs = [song for song in json.loads(index.read_text()) if song["source"] != "three"]
    index.write_text(json.dumps(songs))
    held_out(work)
    assert len(measured) == 2
