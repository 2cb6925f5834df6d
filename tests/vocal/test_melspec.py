from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
import torch

from tune_am.errors import UserError
from tune_am.vocal import melspec

CLIP = Path(__file__).parents[1] / "data" / "starfall.ogg"


def test_agrees_with_librosa_on_real_audio():
    samples = melspec.read_audio(CLIP)

    ours = melspec.log_mel(samples).numpy()

    magnitude = np.abs(
        librosa.stft(samples.numpy(), n_fft=1024, hop_length=315, window="hann", center=True)
    )
    filters = librosa.filters.mel(
        sr=22_050, n_fft=1024, n_mels=80, fmin=27.5, fmax=8000, htk=True, norm=None
    )
    filters /= filters.sum(axis=1, keepdims=True)
    theirs = np.log(np.maximum(filters @ magnitude, 1e-7))
    assert ours.shape == theirs.shape == (80, 1 + len(samples) // 315)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_every_filter_sums_to_one():
    torch.testing.assert_close(melspec.mel_filters().sum(dim=0), torch.ones(80))


def test_a_tone_lights_up_its_band():
    seconds = torch.arange(22_050) / 22_050
    loudest = melspec.log_mel(torch.sin(2 * torch.pi * 1000 * seconds))[:, 35].argmax()

    def mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)

    centres = np.linspace(mel(27.5), mel(8000), 82)[1:-1]
    assert loudest == np.abs(centres - mel(1000)).argmin()


def test_silence_is_the_floor():
    assert (melspec.log_mel(torch.zeros(5000)) == np.float32(np.log(1e-7))).all()


def test_resamples_and_mixes_down(tmp_path):
    seconds = np.arange(2 * 44_100) / 44_100
    tone = np.sin(2 * np.pi * 440 * seconds)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, np.zeros_like(tone)], axis=1), 44_100)

    samples = melspec.read_audio(tmp_path / "a.wav")

    assert abs(len(samples) - 2 * 22_050) <= 1
    expected = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(len(samples)) / 22_050)
    middle = slice(2000, -2000)
    torch.testing.assert_close(samples[middle], expected[middle], atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("song.mp3", b"this is no audio at all", "is not audio"),
        ("song.wav", b"", "is not audio"),
        (None, b"", "no such audio file"),
    ],
)
def test_what_is_no_audio_gets_one_line(tmp_path, name, content, message):
    path = tmp_path / (name or "missing.wav")
    if name:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        melspec.read_audio(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_without_samples_is_refused(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 22_050)
    with pytest.raises(UserError, match="holds no samples"):
        melspec.read_audio(tmp_path / "empty.wav")


def test_excerpts_are_centred_and_padded_with_silence():
    spectrogram = torch.arange(200.0).expand(80, 200)

    cut = melspec.excerpts(spectrogram, torch.tensor([0, 100]))

    assert cut.shape == (2, 80, 115)
    assert cut[0, 0, 57] == 0
    assert (cut[0, :, :57] == melspec.LOG_FLOOR).all()
    assert (cut[1, 0] == torch.arange(43.0, 158.0)).all()
