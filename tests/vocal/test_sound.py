"""Log-mel -> audio -> log-mel, on tones of known frequency and level and on a real recording."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.vocal import sound
from tune_am.vocal.melspec import (
    BANDS,
    FRAMES,
    HOP,
    LOG_FLOOR,
    SAMPLE_RATE,
    WINDOW,
    excerpts,
    log_mel,
    mel_filters,
    read_audio,
)
from tune_am.vocal.sound import to_audio, write_audio

CLIP = Path(__file__).parents[1] / "data" / "starfall.ogg"
SAMPLES = (FRAMES - 1) * HOP
SECONDS = torch.arange(SAMPLES, dtype=torch.float64) / SAMPLE_RATE
MIDDLE = slice(4000, -4000)
DECIBELS = 20 / np.log(10)


@pytest.fixture(scope="module")
def real() -> torch.Tensor:
    """``[10, BANDS, FRAMES]`` along the clip: five before the singer enters and five after."""
    centres = torch.tensor([1.0, 2.2, 3.4, 4.6, 5.8, 9.0, 10.2, 11.4, 12.6, 13.8]) * 70
    return excerpts(log_mel(read_audio(CLIP)), centres.round().long())


@pytest.fixture(scope="module")
def heard(real) -> torch.Tensor:
    return to_audio(real)


def test_a_tone_comes_back_with_its_frequency_and_level():
    for hertz, amplitude in ((220.0, 0.5), (440.0, 0.01), (1000.0, 0.3)):
        tone = amplitude * torch.sin(2 * torch.pi * hertz * SECONDS).float()

        back = to_audio(log_mel(tone)[None])[0]

        power = torch.fft.rfft(back[MIDDLE] * torch.hann_window(len(back[MIDDLE]))).abs()
        peak = float(power.argmax()) * SAMPLE_RATE / len(back[MIDDLE])
        assert peak == pytest.approx(hertz, rel=0.01), hertz  # a sixth of a semitone
        level = back[MIDDLE].square().mean().sqrt() / tone[MIDDLE].square().mean().sqrt()
        assert abs(DECIBELS * level.log()) < 1, hertz


def test_a_chirp_comes_back_where_and_when_it_was():
    rate = 1500.0  # Hz a second, from 300 Hz
    chirp = 0.3 * torch.sin(2 * torch.pi * (300 * SECONDS + rate / 2 * SECONDS**2)).float()

    back = to_audio(log_mel(chirp)[None])[0]

    spectrum = torch.stft(
        back, 1024, HOP, window=torch.hann_window(1024), pad_mode="constant", return_complex=True
    ).abs()
    bins = torch.arange(513)[:, None]
    centroid = (spectrum**2 * bins).sum(0) / (spectrum**2).sum(0) * SAMPLE_RATE / 1024
    expected = 300 + rate * torch.arange(FRAMES) / 70
    # Half a frame late or early would be 11 Hz on average.
    assert (centroid - expected)[3:-3].mean().abs() < 5
    assert (centroid - expected)[3:-3].abs().max() < 30


def test_frames_stay_in_their_places(real, heard):
    """Shifted by one frame either way, the audio fits worse."""
    back = log_mel(heard)

    assert heard.shape == (10, SAMPLES)
    assert heard.dtype == torch.float32
    assert back.shape == real.shape
    here = error(back, real)
    assert here < 0.6
    assert here < 0.3 * error(back[..., 1:], real[..., :-1])
    assert here < 0.3 * error(back[..., :-1], real[..., 1:])
    # The ends, which were cut out of the music, fit nearly as well.
    assert error(back[..., :2], real[..., :2]) < 3
    assert error(back[..., -2:], real[..., -2:]) < 3


def test_the_detector_hears_the_same(real, heard):
    detector = Pack.load("vocal").classifier
    with torch.inference_mode():
        before, after = detector(real), detector(log_mel(heard))
    assert 0 < (before > 0).sum() < len(real)
    assert ((before > 0) == (after > 0)).sum() >= 9
    torch.testing.assert_close(after.sigmoid(), before.sigmoid(), atol=0.2, rtol=0)


def test_iterations_come_nearer(real):
    quiet = real[::3] - 3  # so that nothing is limited
    back = [log_mel(to_audio(quiet, iterations)) for iterations in (0, 4, 16)]

    convergence = [float((x.exp() - quiet.exp()).norm() / quiet.exp().norm()) for x in back]
    assert convergence[2] < 0.9 * convergence[1] < 0.6 * convergence[0]
    errors = [error(x, quiet) for x in back]
    assert errors[2] < 0.6 * errors[1] < 0.2 * errors[0]


def test_without_its_options_it_is_fast_griffin_lim_as_published(real):
    """Fixed magnitudes, against the iteration on spectra written out (Perraudin et al. 2013)."""
    bands = real[:2].exp().transpose(1, 2)
    bins = sound.magnitudes(bands, 200)  # on the bands, which therefore no longer move them
    first = torch.polar(bins, sound.phases(bins))
    ours = sound.griffin_lim(bands, first, 3, torch.full((2,), torch.inf), yielding=0)

    window, ramp = torch.hann_window(WINDOW), torch.ones(SAMPLES)
    position = torch.arange(110) / 110
    ramp[:110] = torch.sin(torch.pi / 2 * position) ** 2
    ramp[-110:] = ramp[:110].flip(0)

    def consistent(spectrum):
        samples = ramp * torch.istft(spectrum, WINDOW, HOP, window=window)
        spectrum = torch.stft(
            samples, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True
        )
        return spectrum, samples

    last, samples = consistent(first.transpose(1, 2))
    ahead = last
    for _ in range(3):
        now, samples = consistent(torch.polar(bins.transpose(1, 2), ahead.angle()))
        ahead, last = now + 0.99 * (now - last), now
    assert ours.shape == samples.shape
    assert (ours - samples).norm() < 1e-3 * samples.norm()


def test_magnitudes_have_the_bands_and_nothing_above_them(real):
    bands = real.exp().transpose(1, 2)

    bins = sound.magnitudes(bands)

    assert (bins >= 0).all()
    assert error((bins @ mel_filters()).log(), real.transpose(1, 2)) < 0.05
    assert (bins[..., mel_filters().sum(dim=1) == 0] == 0).all()


def test_fades_out_below_8_khz():
    """Noise equally loud in all bands: level until the highest band, then 80 dB of nothing."""
    back = to_audio(torch.zeros(1, BANDS, FRAMES))[0]

    power = torch.fft.rfft(back * torch.hann_window(SAMPLES)).abs().square()
    hertz = torch.fft.rfftfreq(SAMPLES, 1 / SAMPLE_RATE)

    def level(low, high):
        return float(10 * power[(hertz >= low) & (hertz < high)].mean().log10())

    assert abs(level(6000, 7500) - level(1000, 3000)) < 2
    assert level(7950, 8000) < level(6000, 7500) - 6
    assert level(8150, 11_000) < level(6000, 7500) - 80
    assert level(0, 20) < level(100, 1000) - 30


def test_a_batch_is_one_by_one_and_twice_the_same(real, heard):
    chosen = torch.tensor([2, 7])  # the places in the batch must not matter
    again = to_audio(torch.cat([real, real[chosen]]))
    assert torch.equal(again[:10], heard)
    torch.testing.assert_close(again[10:], heard[chosen], atol=2e-3, rtol=0)
    torch.testing.assert_close(to_audio(real[7:8])[0], heard[7], atol=2e-3, rtol=0)


def test_silence_stays_silent(real):
    assert (to_audio(torch.full((2, BANDS, FRAMES), LOG_FLOOR)) == 0).all()
    assert (to_audio(torch.full((1, BANDS, FRAMES), -16.125)) == 0).all()  # the floor in float16
    half = real[:1].clone()
    half[..., : FRAMES // 2] = LOG_FLOOR

    back = to_audio(half)[0]

    quiet = back[: SAMPLES // 2 - 2 * WINDOW].abs().max()
    assert quiet < 1e-3 * back.abs().max()
    mixed = to_audio(torch.stack([half[0], torch.full((BANDS, FRAMES), LOG_FLOOR)]))
    assert (mixed[1] == 0).all()


def test_level_is_kept_until_full_scale_and_never_beyond(real):
    base = to_audio(real[7:8] - 3)
    quieter = to_audio(real[7:8] - 8)
    assert base.abs().max() < 1
    torch.testing.assert_close(np.exp(5) * quieter, base, atol=1e-3, rtol=0)
    for louder in (1.0, 5.0, 500.0):
        back = to_audio(real[7:8] + louder)
        assert torch.isfinite(back).all()
        assert 0.9 < back.abs().max() <= 1
    faint = to_audio((real[7:8] - 14).clamp_min(LOG_FLOOR))
    assert 0 < faint.abs().max() < 1e-5


def test_any_length_and_precision(real):
    assert to_audio(real[:1, :, :2]).shape == (1, HOP)
    assert to_audio(real[:0]).shape == (0, SAMPLES)
    half = to_audio(real[:1].half())
    assert half.dtype == torch.float32
    assert error(log_mel(half), real[:1]) < 0.6


@pytest.mark.parametrize(
    ("shape", "value", "iterations", "message"),
    [
        ((BANDS, FRAMES), 0.0, 2, r"shape \[80, 115\].*\[n, 80, frames\]"),
        ((1, 64, FRAMES), 0.0, 2, r"shape \[1, 64, 115\]"),
        ((1, BANDS, 1), 0.0, 2, "at least 2 frames"),
        ((1, BANDS, FRAMES), float("nan"), 2, "NaN or infinity"),
        ((1, BANDS, FRAMES), float("-inf"), 2, "NaN or infinity"),
        ((1, BANDS, FRAMES), 0.0, -1, "iterations is -1"),
    ],
)
def test_what_cannot_be_played_gets_one_line(shape, value, iterations, message):
    with pytest.raises(UserError, match=message) as raised:
        to_audio(torch.full(shape, value), iterations)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "A.WAV"])
def test_a_file_reads_back(tmp_path, heard, name):
    path = tmp_path / name

    write_audio(path, heard[7])

    read = read_audio(path)
    gain = 10 ** (-1 / 20) / heard[7].abs().max()
    torch.testing.assert_close(read, gain * heard[7], atol=1 / 2**15, rtol=0)
    assert soundfile.info(path).format == name[-4:].strip(".").upper()
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_files_are_loud_enough_but_silence_is_not_raised(tmp_path):
    path = tmp_path / "a.flac"
    tone = torch.sin(2 * torch.pi * 440 * SECONDS).float()
    for amplitude, peak in ((30.0, 0.891), (0.1, 0.891), (1e-3, 0.1), (0.0, 0.0)):
        write_audio(path, amplitude * tone)
        assert float(read_audio(path).abs().max()) == pytest.approx(peak, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "samples", "message"),
    [
        ("a.mp3", torch.zeros(10), r"a\.mp3: give a name in \.wav or \.flac"),
        ("audio", torch.zeros(10), r"give a name in \.wav or \.flac"),
        ("a.wav", torch.zeros(2, 10), r"shape \[2, 10\]"),
        ("a.wav", torch.zeros(0), r"shape \[0\]"),
        ("a.wav", torch.tensor([0.0, float("nan")]), "NaN or infinity"),
        ("none/a.wav", torch.zeros(10), "cannot write .*none.*No such file"),
    ],
)
def test_what_cannot_be_written_gets_one_line_and_no_file(tmp_path, name, samples, message):
    with pytest.raises(UserError, match=message) as raised:
        write_audio(tmp_path / name, samples)
    assert "\n" not in str(raised.value)
    assert not os.listdir(tmp_path)


def error(ours: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean absolute difference in dB of what is within 60 dB of an excerpt's loudest."""
    loud = truth > truth.amax(dim=(1, 2), keepdim=True) - 60 / DECIBELS
    return float((ours - truth)[loud].abs().mean()) * DECIBELS
