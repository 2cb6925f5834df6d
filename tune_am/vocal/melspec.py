"""The front end of the vocal pack: audio file -> log-mel spectrogram.

22 050 Hz mono, magnitude STFT (periodic Hann window of 1024 samples, hop 315: 70 frames a
second), 80 triangular HTK-mel bands from 27.5 to 8000 Hz, each normalised to sum 1, then the
natural log of max(x, 1e-7). The front end of Schlüter & Grill (2015) and Mishra et al. (2019).
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import torch
import torchaudio.functional as AF

from tune_am.errors import UserError
from tune_am.vocal.nets import FLOOR, LOG_FLOOR

if TYPE_CHECKING:
    from tune_am.packs.pack import Pack

SAMPLE_RATE = 22_050
WINDOW = 1024
HOP = 315
FRAMES_PER_SECOND = SAMPLE_RATE // HOP  # 70 exactly
BANDS = 80
FRAMES = 115  # an excerpt: 1.64 s
LOWEST_HZ, HIGHEST_HZ = 27.5, 8000.0
TICKS_HZ = (250, 1000, 2500, 6000)  # where pictures name frequencies


@cache
def mel_filters() -> torch.Tensor:
    """Triangular mel filters, ``[WINDOW // 2 + 1, BANDS]``, each column summing to 1."""
    filters = AF.melscale_fbanks(
        WINDOW // 2 + 1, LOWEST_HZ, HIGHEST_HZ, BANDS, SAMPLE_RATE, norm=None, mel_scale="htk"
    )
    return filters / filters.sum(dim=0, keepdim=True)


def mel_position(hertz: float) -> float:
    """Height of a frequency in a picture of all bands, 0 at the bottom and 1 at the top.

    The peaks of the bands lie evenly between the ends of the mel range, which are not peaks.
    """
    low, high, here = (2595 * math.log10(1 + f / 700) for f in (LOWEST_HZ, HIGHEST_HZ, hertz))
    band = (here - low) / (high - low) * (BANDS + 1) - 1
    return (band + 0.5) / BANDS


def log_mel(samples: torch.Tensor) -> torch.Tensor:
    """Log-mel spectrogram of mono audio.

    Args:
        samples: ``[time]`` at ``SAMPLE_RATE``, full scale 1.0.

    Returns:
        ``[BANDS, frames]``, frame ``i`` centred on second ``i / FRAMES_PER_SECOND``.
    """
    magnitude = AF.spectrogram(
        # Zero padding, unlike reflection, also accepts audio shorter than the window.
        torch.nn.functional.pad(samples, (WINDOW // 2, WINDOW // 2)),
        pad=0,
        window=torch.hann_window(WINDOW),
        n_fft=WINDOW,
        hop_length=HOP,
        win_length=WINDOW,
        power=1.0,
        normalized=False,
        center=False,
    )
    return (mel_filters().T @ magnitude).clamp_min(FLOOR).log()


def read_audio(path: str | Path, middle: float = math.inf) -> torch.Tensor:
    """Samples of an audio file as mono ``[time]`` at ``SAMPLE_RATE``.

    Args:
        path: any file that soundfile reads.
        middle: of a longer file only so many seconds around its middle are decoded.

    Raises:
        UserError: no such file, not audio that soundfile reads, empty, or with non-finite samples.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no such audio file: {path}")
    try:
        with soundfile.SoundFile(path) as file:
            rate, wanted = file.samplerate, file.frames
            if file.frames > middle * rate:
                wanted = round(middle * rate)
                file.seek((file.frames - wanted) // 2)
            samples = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1].removeprefix("Error opening ")
        raise UserError(
            f"{path} is not audio that soundfile can read (wav, flac, ogg, mp3): {reason}"
        ) from None
    if len(samples) == 0:
        raise UserError(f"{path} holds no samples: give a file with some audio in it")
    if not np.isfinite(samples).all():
        raise UserError(f"{path} holds non-finite samples (NaN or infinity): export it anew")
    mono = torch.from_numpy(samples.mean(axis=1))
    return AF.resample(mono, rate, SAMPLE_RATE)


def excerpts(spectrogram: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Excerpts of ``FRAMES`` frames around the given centre frames, the edges padded with silence.

    Args:
        spectrogram: ``[BANDS, frames]``.
        centres: ``[n]`` integer frame numbers.

    Returns:
        ``[n, BANDS, FRAMES]``; the centre frame stands at index ``FRAMES // 2``.
    """
    half = FRAMES // 2
    padded = torch.nn.functional.pad(spectrogram, (half, half), value=LOG_FLOOR)
    index = centres[:, None] + torch.arange(FRAMES)
    return padded[:, index].permute(1, 0, 2)


def expect_log_mel(pack: Pack) -> None:
    """Raises `UserError` where the inputs of `pack` are not excerpts of this front end."""
    if pack.input_shape != (BANDS, FRAMES):
        raise UserError(
            f"singing is heard in log-mel excerpts of {[BANDS, FRAMES]}, the inputs of the pack "
            f"{pack.name} are {list(pack.input_shape)}"
        )
