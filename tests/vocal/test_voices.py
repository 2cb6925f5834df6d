"""Recorded speech made to sing. What needs WORLD runs where the extra ``build`` is installed."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.commands import command
from tune_am.errors import UserError
from tune_am.vocal import voices
from tune_am.vocal.labels import NOT_SUNG, SUNG
from tune_am.vocal.melody import LONGEST, SHORTEST, Manner, Note, contour, phrase, semitones
from tune_am.vocal.melspec import LOG_FLOOR, SAMPLE_RATE
from tune_am.vocal.speech import find_syllables
from tune_am.vocal.voices import LEVEL, SOURCES, build_voices, find_speakers, load_voices

SYLLABLES = Path(__file__).parents[1] / "data" / "syllables.ogg"
STRAIGHT = Manner(
    beat=0.5,
    scale=(0, 2, 4, 5, 7, 9, 11),
    glide=0.05,
    scoop=0.0,
    fall=0.0,
    speech=0.0,
    vibrato_hz=5.5,
    vibrato=0.0,
    drift=0.0,
    jitter=0.0,
)


@pytest.fixture(scope="module")
def debian(tmp_path_factory) -> Path:
    """An unpacked package with two speakers: one real, and the same voice at another speed."""
    folder = tmp_path_factory.mktemp("debian") / "spoken" / "usr"
    (folder / "one").mkdir(parents=True)
    (folder / "two").mkdir()
    shutil.copy(SYLLABLES, folder / "one")
    samples, rate = soundfile.read(SYLLABLES)
    soundfile.write(folder / "two" / "slow.wav", samples, int(rate / 1.2))
    soundfile.write(folder / "two" / "telephone.wav", samples, 8000)
    source = {
        "id": "test",
        "debian": "spoken",
        "licence": "CC-BY-3.0",
        "files": "usr/{speaker}/*.*",
        "speakers": ["one"],
        "held_out": ["two"],
    }
    (folder.parents[1] / "voices.json").write_text(json.dumps({"sources": [source]}))
    return folder.parents[1]


@pytest.fixture(scope="module")
def short():
    """Shorter takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(voices, "TAKE_SECONDS", 5.0)
        patch.setattr(voices, "HELD_OUT_SECONDS", 5.0)
        yield


@pytest.fixture(scope="module")
def work(debian, short, tmp_path_factory) -> Path:
    """A work folder with the stage done."""
    pytest.importorskip("pyworld")
    folder = tmp_path_factory.mktemp("work")
    build_voices(folder, debian, sources=debian / "voices.json")
    return folder


@pytest.fixture(scope="module")
def speech():
    pytest.importorskip("pyworld")
    from tune_am.vocal.speech import analyse, join_recordings

    return analyse(join_recordings([SYLLABLES], 60))


def test_degrees_go_on_over_the_octave():
    pentatonic = (0, 3, 5, 7, 10)
    assert [semitones(d, pentatonic) for d in (-5, -1, 0, 4, 5, 6)] == [-12, -2, 0, 10, 12, 15]


def test_phrases_keep_to_the_lengths_of_notes():
    rng = np.random.default_rng(0)
    for _ in range(200):
        notes = phrase(Manner.draw(rng), rng)
        assert all(SHORTEST <= note.seconds <= LONGEST for note in notes)
        ends = [note.start + note.seconds for note in notes]
        assert [note.start for note in notes[1:]] == ends[:-1]
        assert not notes[0].slurred


def test_straight_notes_are_in_tune():
    notes = [Note(0.0, 0.5, 0, False), Note(0.5, 0.5, 2, False)]
    times = np.arange(0, 1, 0.005)

    pitch = contour(notes, -12.0, STRAIGHT, times, np.random.default_rng(0))

    assert pitch[:80] == pytest.approx(220, rel=1e-3)  # A3 until the glide
    assert pitch[120:] == pytest.approx(220 * 2 ** (4 / 12), rel=1e-3)  # a major third above


def test_held_notes_vibrate_at_the_rate_and_depth_asked_for():
    from dataclasses import replace

    manner = replace(STRAIGHT, vibrato=0.8, vibrato_hz=6.0)
    times = np.arange(0, 20.4, 0.005)
    notes = [Note(0.0, 20.4, 0, False)]

    pitch = contour(notes, 0.0, manner, times, np.random.default_rng(0))

    wave = 12 * np.log2(pitch[len(pitch) - 4000 :] / 440)  # 20 s: bins of 0.05 Hz
    spectrum = np.abs(np.fft.rfft(wave))
    assert 0.05 * spectrum[1:].argmax() + 0.05 == pytest.approx(6.0, rel=0.08)
    assert wave.max() == pytest.approx(0.8, abs=0.02)
    assert wave.min() == pytest.approx(-0.8, abs=0.02)


def test_syllables_of_a_drawn_level():
    # Silence, an audible consonant of 8 frames, 60 voiced frames with a valley, a soft ending.
    level = np.r_[np.full(20, -90.0), np.full(8, -30.0), np.full(60, -3.0), np.full(5, -25.0)]
    level = np.r_[level, np.full(20, -90.0)]
    level[40], level[70], level[57:60] = 0.0, -1.0, -15.0
    voiced = np.zeros(len(level), dtype=bool)
    voiced[28:88] = True

    first, second = find_syllables(voiced, level)

    assert (first.start, first.onset, first.peak) == (20, 28, 40)
    assert first.offset == second.onset == second.start
    assert 57 <= first.offset <= 59
    assert (second.peak, second.offset, second.end) == (70, 88, 93)


def test_a_note_is_sung_as_high_and_as_long_as_written(speech):
    from tune_am.vocal.singer import sing_phrase
    from tune_am.vocal.timbre import Timbre

    syllable = max(speech.syllables, key=lambda s: s.offset - s.onset)
    notes = [Note(0.0, 1.2, 0, False)]
    plain, rng = Timbre("plain"), np.random.default_rng(0)

    samples = sing_phrase(speech, notes, [syllable], -14.0, STRAIGHT, plain, rng)

    lead = (syllable.onset - syllable.start) * 0.005
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max()) / SAMPLE_RATE
    assert loud[-1] - lead == pytest.approx(1.2, abs=0.2)
    vowel = samples[int((lead + 0.1) * SAMPLE_RATE) : int((lead + 1.0) * SAMPLE_RATE)]
    pitch = [_pitch(vowel[start:][:2048]) for start in range(0, len(vowel) - 2048, 1024)]
    assert pitch == pytest.approx([440 * 2 ** (-14 / 12)] * len(pitch), rel=0.02)
    # Speech does not stay like that.
    assert speech.f0[speech.f0 > 0].std() > 20


def _pitch(samples: np.ndarray) -> float:
    """Hz, by the highest peak of the autocorrelation between 120 and 600 Hz."""
    correlation = np.correlate(samples, samples, mode="full")[len(samples) - 1 :]
    # Fewer products are summed at longer lags.
    correlation = correlation / np.arange(len(samples), 0, -1)
    shortest, longest = SAMPLE_RATE // 600, SAMPLE_RATE // 120
    return SAMPLE_RATE / (shortest + correlation[shortest:longest].argmax())


def test_a_choir_is_no_longer_one_voice(speech):
    from tune_am.vocal.singer import sing_phrase
    from tune_am.vocal.timbre import Timbre

    notes = [Note(0.0, 1.2, 0, False)]
    alone, choir = (
        sing_phrase(
            speech,
            notes,
            speech.syllables[:1],
            -14.0,
            STRAIGHT,
            Timbre("choir", voices=voices),
            np.random.default_rng(0),
        )
        for voices in (1, 3)
    )
    assert len(alone) == len(choir)
    assert (choir**2).sum() > 1.5 * (alone**2).sum()


def test_speakers_keep_to_their_split(work):
    splits = {(t.source, t.split) for t in load_voices(work)}
    assert splits == {("test/one", "train"), ("test/two", "valid"), ("test/two", "speech")}
    assert {t.split for t in load_voices(work, "valid", "speech")} == {"valid", "speech"}


def test_sung_takes_are_level_and_silent_in_rests(work):
    for track in load_voices(work, "train", "valid"):
        assert track.sung
        assert track.log_mel.dtype == torch.float16
        assert track.log_mel.shape == (80, len(track.labels))
        sung = track.log_mel.float()[:, track.labels == SUNG]
        assert sung.exp().mean() == pytest.approx(LEVEL, rel=0.01)
        rest = track.log_mel.float()[:, track.labels == NOT_SUNG]
        assert sung.shape[1] > 70
        assert rest.shape[1] > 35
        # The first frames come before anybody sings.
        assert rest[:, :5] == pytest.approx(LOG_FLOOR, abs=0.01)
        assert rest.exp().mean() < 0.02 * LEVEL


def test_plain_speech_is_not_labelled_sung(work):
    (speech,) = load_voices(work, "speech")
    assert not speech.sung
    assert SUNG not in speech.labels
    assert speech.log_mel.float()[:, speech.labels == NOT_SUNG].exp().mean() == pytest.approx(
        LEVEL, rel=0.01
    )


def test_a_second_run_keeps_what_is_there_and_the_seed_decides_the_rest(work, debian, tmp_path):
    listing = debian / "voices.json"
    files = sorted((work / "voices").glob("*.safetensors"))
    before = [os.stat(file).st_mtime_ns for file in files]
    build_voices(work, debian, sources=listing)
    assert [os.stat(file).st_mtime_ns for file in files] == before

    build_voices(tmp_path / "again", debian, sources=listing)
    build_voices(tmp_path / "other", debian, seed=1, sources=listing)

    for file in files:
        again = (tmp_path / "again" / "voices" / file.name).read_bytes()
        other = (tmp_path / "other" / "voices" / file.name).read_bytes()
        assert file.read_bytes() == again != other


def test_sources_name_licences_and_hold_out_a_tenth_of_the_speakers():
    sources = json.loads(SOURCES.read_text())["sources"]
    assert all(source["licence"] for source in sources)
    held_out = sum(len(source["held_out"]) for source in sources)
    speakers = held_out + sum(len(source["speakers"]) for source in sources)
    assert 0.08 < held_out / speakers < 0.15
    names = {f"{s['id']}/{name}" for s in sources for name in s["speakers"] + s["held_out"]}
    assert len(names) == speakers


def test_a_speaker_without_recordings_is_named(debian, tmp_path):
    listing = json.loads((debian / "voices.json").read_text())
    listing["sources"][0]["speakers"].append("three")
    (tmp_path / "voices.json").write_text(json.dumps(listing))
    with pytest.raises(UserError, match="spoken has no usr/three/"):
        find_speakers(tmp_path, debian, tmp_path / "voices.json")


def test_voices_that_were_not_made_get_one_line(tmp_path):
    with pytest.raises(UserError, match="no voices in"):
        load_voices(tmp_path)


def test_a_package_that_cannot_be_had_gets_one_line(tmp_path, monkeypatch):
    pytest.importorskip("pyworld")
    monkeypatch.setenv("PATH", "")  # nothing to download with
    done = command("tune_am.vocal.voices", "--work", tmp_path, "--debian", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot download the Debian package gcin-voice")
    assert len(done.stderr.splitlines()) == 1
