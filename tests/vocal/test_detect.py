"""The command a user types, on the shipped pack."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from tests.commands import command
from tune_am.packs.make_pack import make_pack
from tune_am.vocal.evaluation import logits, smoothed
from tune_am.vocal.melspec import log_mel, read_audio

CLIP = Path(__file__).parents[1] / "data" / "starfall.ogg"


def detect(*arguments):
    return command("tune_am.vocal.detect", *arguments)


def test_hears_the_singer_enter():
    done = detect(CLIP)

    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert list(rows[0]) == ["seconds", "singing"]
    assert [row["seconds"] for row in rows[:3]] == ["0.0", "0.1", "0.2"]
    singing = np.array([float(row["singing"]) for row in rows])
    assert len(rows) == 151  # 15 s, both ends counted
    # The singer enters at 7.7 s; half a second on either side belongs to neither.
    assert singing[82:].mean() > 0.8
    assert singing[:72].mean() < 0.3


def test_several_songs_into_a_file(tmp_path):
    short, low = tmp_path / "one second.wav", tmp_path / "8 kHz.wav"
    soundfile.write(short, np.zeros(22_050), 22_050)
    soundfile.write(low, 0.1 * np.random.default_rng(0).standard_normal(16_000), 8_000)

    done = detect(short, low, "--csv", tmp_path / "out.csv")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = list(csv.DictReader((tmp_path / "out.csv").open()))
    assert list(rows[0]) == ["file", "seconds", "singing"]
    assert [row["file"] for row in rows].count(str(short)) == 11
    assert [row["file"] for row in rows].count(str(low)) == 21


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", b"la la la", "is not audio"),
        ("nothing.wav", b"", "is not audio"),
        ("missing.wav", None, "no such audio file"),
    ],
)
def test_what_is_no_audio_gets_one_line_and_writes_nothing(tmp_path, name, content, message):
    good, song = tmp_path / "one second.wav", tmp_path / name
    soundfile.write(good, np.zeros(22_050), 22_050)
    if content is not None:
        song.write_bytes(content)

    done = detect(good, song, "--csv", tmp_path / "out.csv")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("out.csv*"))


def test_an_unknown_pack_gets_one_line(tmp_path):
    done = detect(CLIP, "--pack", tmp_path / "none")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no pack in")


class Loudness(nn.Module):
    """One logit for an excerpt, by a `view` that a layout made for convolutions would not take."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2 * 78 * 113, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.conv(x[:, None]).view(len(x), -1)).squeeze(1)


@pytest.mark.parametrize("config", [None, {}], ids=["as operations", "as class and weights"])
def test_another_detector_hears_too(tmp_path, config):
    network = Loudness()
    out = tmp_path / "other"
    make_pack(network, "raw", torch.randn(100, 80, 115), {"a": "head:0"}, out,
              classifier_config=config)  # fmt: skip
    done = detect(CLIP, "--pack", out, "--trust-code")
    assert (done.returncode, done.stderr) == (0, "")
    first = float(done.stdout.splitlines()[1].split(",")[1])
    values = smoothed(logits(network.eval(), log_mel(read_audio(CLIP))))
    assert first == pytest.approx(float(torch.sigmoid(values)[0]), abs=1e-3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3, 4), "the inputs of the pack other are [3, 4]"),
        ((80, 115), "the classifier of the pack other is no singing detector"),
    ],
)
def test_a_pack_of_another_field_gets_one_line(tmp_path, shape, message):
    network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 3))
    make_pack(network, "raw", torch.randn(100, *shape), {"a": "1:0"}, tmp_path / "other")
    done = detect(CLIP, "--pack", tmp_path / "other")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr
