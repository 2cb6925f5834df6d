"""Log-mel excerpts as pictures and sounds."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch

from tune_am.errors import UserError
from tune_am.vocal import melspec
from tune_am.vocal.melspec import (
    BANDS,
    FRAMES,
    SAMPLE_RATE,
    WINDOW,
    log_mel,
    mel_filters,
    mel_position,
)
from tune_am.vocal.render import LogMel

RENDERER = LogMel((BANDS, FRAMES))


def test_a_frequency_stands_where_its_band_is_drawn() -> None:
    """Independently of the formula: the band that hears a bin's frequency best."""
    bins = torch.arange(12, WINDOW // 2) * SAMPLE_RATE / WINDOW
    peaks = mel_filters()[12 : WINDOW // 2].argmax(1)
    for hertz, band in zip(bins.tolist(), peaks.tolist(), strict=True):
        if 300 < hertz < 7900:
            # Wide bands hold several bins, of which only the middle one is at the very peak.
            assert abs(mel_position(hertz) * BANDS - (band + 0.5)) < 0.75
    labels = {label: position for position, label in RENDERER.y.ticks}
    assert list(labels) == ["250", "1k", "2.5k", "6k"]
    assert labels["1k"] == mel_position(1000)
    assert sorted(labels.values()) == list(labels.values())


def test_the_time_axis_is_in_seconds() -> None:
    assert [label for _, label in RENDERER.x.ticks] == ["0", "0.5", "1", "1.5"]
    assert RENDERER.x.ticks[2][0] == pytest.approx(70 / FRAMES)


def test_a_tone_is_a_bright_line_at_its_height() -> None:
    time = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    spectrogram = log_mel(torch.sin(2 * torch.pi * 1000 * time))
    excerpt = melspec.excerpts(spectrogram, torch.tensor([70]))
    picture = RENDERER.codes(excerpt, RENDERER.limits(excerpt))[0]
    row = picture[:, FRAMES // 2].argmax()  # the top row first
    assert 1 - (row + 0.5) / BANDS == pytest.approx(mel_position(1000), abs=0.5 / BANDS)


def test_the_scale_leaves_out_silence_and_the_loudest_peaks() -> None:
    sound = torch.linspace(-8, 4, 2 * BANDS * FRAMES).view(2, BANDS, FRAMES)
    silence = torch.full((1, BANDS, FRAMES), melspec.LOG_FLOOR)
    low, high = RENDERER.limits(torch.cat([sound, silence]))
    assert low == pytest.approx(-8 + 0.01 * 12, abs=0.01)
    assert high == pytest.approx(-8 + 0.998 * 12, abs=0.01)
    assert RENDERER.limits(silence) == (melspec.LOG_FLOOR, 0.0)
    assert RENDERER.codes(silence, RENDERER.limits(silence)).max() == 0


def test_another_number_of_bands_is_refused() -> None:
    with pytest.raises(UserError, match=r"\[40, 115\] cannot be drawn: they have 80 bands"):
        LogMel((40, 115))


def test_sounds_are_files_as_long_as_the_pictures(tmp_path: Path) -> None:
    time = torch.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    spectrogram = log_mel(0.3 * torch.sin(2 * torch.pi * 440 * time))
    inputs = melspec.excerpts(spectrogram, torch.tensor([70, 72]))
    paths = [tmp_path / "a.flac", tmp_path / "b.flac"]
    RENDERER.write_sounds(inputs, paths)
    samples, rate = soundfile.read(paths[1])
    assert rate == SAMPLE_RATE
    assert len(samples) / rate == pytest.approx(FRAMES / 70, abs=0.05)
    spectrum = torch.fft.rfft(torch.from_numpy(samples)).abs()
    assert spectrum.argmax().item() * rate / len(samples) == pytest.approx(440, rel=0.06)
