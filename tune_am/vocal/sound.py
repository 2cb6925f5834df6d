"""What an excerpt sounds like: log-mel spectrogram -> audio, without any other weights.

Three steps, each chosen by ``bench/sound.py``: the magnitude of each frequency bin from the bands
(multiplicative updates); a first phase from the peaks of each frame; then fast Griffin-Lim, which
looks for the audio whose log-mel spectrogram is nearest.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import soundfile
import torch
from torch import Tensor
from torch.nn import functional as F

from tune_am.errors import UserError
from tune_am.vocal.melspec import BANDS, HOP, LOG_FLOOR, SAMPLE_RATE, WINDOW, mel_filters
from tune_am.whole import whole

ITERATIONS = 16
MOMENTUM = 0.99  # Perraudin et al. (2013) found it best
YIELDING = 0.3  # share of the way that wanted magnitudes go towards the audio's in an iteration
MEL_STEPS = 8  # more move the bands by less than a tenth of a decibel
REACH = 2  # bins on either side of a peak that belong to it: half the main lobe of a Hann window
LEAST_CREST = 2.0  # peak over root mean square, to which loud excerpts are limited: 6 dB
FADE = 110  # samples, 5 ms: audio cut out of a song would else start and end with a click
AT_ONCE = 10  # excerpts; more only leave the caches

FORMATS = {".wav": "WAV", ".flac": "FLAC"}
PEAK = 10 ** (-1 / 20)  # of full scale, in files
MOST_GAIN = 100.0

_BINS = WINDOW // 2 + 1
_TINY = 1e-12


@torch.no_grad()
def to_audio(log_mel: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """Audio whose log-mel spectrogram is near the given one, frame by frame.

    Frame ``i`` is centred on sample ``i * HOP``, as in ``melspec.log_mel``. The level is kept: what
    peaks above full scale is limited, and only an excerpt too loud for that (see ``LEAST_CREST``)
    is turned down as a whole. Nothing is heard above the highest band, and an excerpt at the floor
    throughout is silent.

    Args:
        log_mel: ``[n, BANDS, frames]``, natural log, at least two frames.
        iterations: of Griffin-Lim; 0 leaves the first phase as it is.

    Returns:
        ``[n, (frames - 1) * HOP]`` float32 in [-1, 1] at ``SAMPLE_RATE``, on the CPU.

    Raises:
        UserError: wrong shape, non-finite values, or negative iterations.
    """
    if log_mel.ndim != 3 or log_mel.shape[1] != BANDS or log_mel.shape[2] < 2:
        raise UserError(
            f"a log-mel of shape {list(log_mel.shape)} cannot be played: "
            f"give [n, {BANDS}, frames] with at least 2 frames"
        )
    if not torch.isfinite(log_mel).all():
        raise UserError("a log-mel with NaN or infinity cannot be played: give finite values")
    if iterations < 0:
        raise UserError(f"iterations is {iterations}: give 0 or more")
    samples = torch.zeros(len(log_mel), (log_mel.shape[2] - 1) * HOP)
    for start in range(0, len(log_mel), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        samples[part] = _played(log_mel[part].float().cpu(), iterations)
    return samples


def write_audio(path: str | Path, samples: Tensor) -> None:
    """Writes mono audio as 16-bit WAV or FLAC, by the path's suffix; never half a file.

    For listening, the peak is brought to ``PEAK`` (-1 dB of full scale), so that no player clips
    and the quiet are heard too; silence stays silent, and what is nearly silent is raised by
    ``MOST_GAIN`` (40 dB) at most.

    Args:
        samples: ``[time]`` at ``SAMPLE_RATE``.

    Raises:
        UserError: another suffix, wrong shape, non-finite samples, or no way to write there.
    """
    path = Path(path)
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"cannot write audio to {path}: give a name in {' or '.join(FORMATS)}")
    if samples.ndim != 1 or len(samples) == 0:
        raise UserError(f"cannot write audio of shape {list(samples.shape)}: give [time], mono")
    if not torch.isfinite(samples).all():
        raise UserError(f"cannot write {path}: its samples hold NaN or infinity, give finite ones")
    mono = samples.detach().double().cpu()
    peak = float(mono.abs().max())
    gain = min(PEAK / peak, MOST_GAIN) if peak > 0 else 1.0
    try:
        with whole(path) as partial, partial.open("wb") as file:
            soundfile.write(file, (gain * mono).numpy(), SAMPLE_RATE, "PCM_16", format=kind)
    except (OSError, soundfile.SoundFileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot write {path}: {reason}") from None


def magnitudes(bands: Tensor, steps: int = MEL_STEPS) -> Tensor:
    """Magnitude of each frequency bin, non-negative and with nearly these bands.

    Multiplicative updates for the Kullback-Leibler divergence (Lee & Seung 2001). Of the many
    spectra with the same bands they stay near the one they start from, which is smooth; those of
    least squares are spiky and farther from the recording's.

    Args:
        bands: ``[n, frames, BANDS]`` magnitude, not its logarithm.

    Returns:
        ``[n, frames, WINDOW // 2 + 1]``.
    """
    bins = (bands @ _shares().T) * _top_slope()
    for _ in range(steps):
        bins = _onto(bands, bins)
    return bins


def phases(bins: Tensor) -> Tensor:
    """First phase of each bin: those near a spectral peak turn with it, the others at random.

    A peak's frequency is that of the parabola through its logarithm and its neighbours', and its
    phase goes on from the frame before (Beauregard, Harish & Wyse 2015, "single pass spectrogram
    inversion"). There every bin follows a peak, however far: a noise then turns into pulses in the
    middle of each frame, 70 times a second.

    Args:
        bins: ``[n, frames, WINDOW // 2 + 1]`` magnitudes.

    Returns:
        ``[n, frames, WINDOW // 2 + 1]`` radians, the same for an excerpt whatever its neighbours.
    """
    peak, frequency = _nearest_peaks(bins)
    away = torch.arange(_BINS) - peak
    # Around a peak the phase alternates: a frame's phase counts from its start, not its middle.
    alternating = 0.5 * (away % 2)
    # In turns and double precision: in the course of an excerpt they add up to thousands.
    turns = HOP / WINDOW * frequency.double()
    draws = torch.Generator().manual_seed(0)
    noise = torch.rand(bins.shape[1:], generator=draws, dtype=torch.double).expand(bins.shape)
    result, before = [], noise[:, 0]
    for frame in range(bins.shape[1]):
        ahead = before.gather(1, peak[:, frame]) + turns[:, frame] + alternating[:, frame]
        before = torch.where(away[:, frame].abs() <= REACH, ahead, noise[:, frame])
        result.append(before)
    return (2 * math.pi * torch.stack(result, dim=1).remainder(1)).float()


def griffin_lim(
    bands: Tensor,
    first: Tensor,
    iterations: int,
    full_scale: Tensor,
    momentum: float = MOMENTUM,
    yielding: float = YIELDING,
) -> Tensor:
    """Fast Griffin-Lim (Perraudin, Balazs & Søndergaard 2013) that holds on to the bands only.

    Between two iterations the magnitudes yield a little to those the audio has, and are brought
    back onto the bands: the bands are given, how they share out among the bins is a guess. The
    audio is limited on the way, so that what follows makes up for it. The momentum acts on the
    audio, which is the same as on its spectrum, the transform being linear.

    Args:
        bands: ``[n, frames, BANDS]`` magnitude.
        first: ``[n, frames, WINDOW // 2 + 1]`` complex, magnitudes and phases to start from.
        full_scale: ``[n]`` largest sample that can be played.

    Returns:
        ``[n, (frames - 1) * HOP]``.
    """
    wanted = first.abs()
    ramp = _ramp((bands.shape[1] - 1) * HOP)
    audio = ahead = _istft(first) * ramp
    limit = torch.maximum(full_scale, LEAST_CREST * audio.square().mean(dim=1).sqrt())[:, None]
    for _ in range(iterations):
        spectrum = _stft(ahead)
        there = spectrum.abs().clamp_min(_TINY)
        wanted = _onto(bands, wanted.lerp(there, yielding))
        before, audio = audio, _istft(spectrum * (wanted / there)) * ramp
        audio = audio.clamp(-limit, limit)
        ahead = audio + momentum * (audio - before)
    return audio


def _played(log_mel: Tensor, iterations: int) -> Tensor:
    """Audio of a few excerpts ``[n, BANDS, frames]``."""
    # Relative to its loudest value, no excerpt is too loud or too quiet for the arithmetic.
    loudest = log_mel.amax(dim=(1, 2))
    bands = (log_mel - loudest[:, None, None]).exp()
    bands = bands.masked_fill(log_mel <= LOG_FLOOR + 1e-3, 0).transpose(1, 2).contiguous()
    bins = magnitudes(bands)
    first = torch.polar(bins, phases(bins))
    audio = griffin_lim(bands, first, iterations, full_scale=(-loudest).exp())
    gain = torch.minimum(loudest, -audio.abs().amax(dim=1).log()).exp()
    return (audio * gain[:, None]).clamp(-1, 1)


def _onto(bands: Tensor, bins: Tensor) -> Tensor:
    """One multiplicative update of ``bins [n, frames, WINDOW // 2 + 1]`` towards ``bands``."""
    return bins * ((bands / (bins @ mel_filters()).clamp_min(_TINY)) @ _shares().T)


def _nearest_peaks(bins: Tensor) -> tuple[Tensor, Tensor]:
    """Number of the spectral peak nearest to each bin, and its interpolated frequency in bins.

    In a frame without peaks each bin counts as its own.
    """
    logs = bins.clamp_min(_TINY).log()
    left, middle, right = logs[..., :-2], logs[..., 1:-1], logs[..., 2:]
    peaks = F.pad((middle > left) & (middle >= right), (1, 1))
    curve = (left - 2 * middle + right).clamp_max(-_TINY)
    offset = F.pad((0.5 * (left - right) / curve).clamp(-0.5, 0.5), (1, 1))
    number = torch.arange(_BINS).expand(bins.shape)
    below = number.masked_fill(~peaks, -_BINS).cummax(dim=-1).values
    above = number.masked_fill(~peaks, 2 * _BINS).flip(-1).cummin(dim=-1).values.flip(-1)
    nearest = torch.where(number - below <= above - number, below, above)
    nearest = torch.where((nearest >= 0) & (nearest < _BINS), nearest, number)
    return nearest, nearest + offset.masked_fill(~peaks, 0).gather(-1, nearest)


def _stft(audio: Tensor) -> Tensor:
    """``[n, time]`` -> ``[n, frames, WINDOW // 2 + 1]``, framed as ``melspec.log_mel`` does."""
    window = torch.hann_window(WINDOW)
    spectrum = torch.stft(
        audio, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True
    )
    return spectrum.transpose(1, 2)


def _istft(spectrum: Tensor) -> Tensor:
    """The audio ``[n, (frames - 1) * HOP]`` whose spectrum is nearest in least squares."""
    return torch.istft(spectrum.transpose(1, 2), WINDOW, HOP, window=torch.hann_window(WINDOW))


@cache
def _shares() -> Tensor:
    """How much of each bin goes to which band, ``[WINDOW // 2 + 1, BANDS]``: rows sum to 1, or 0
    where no band reaches."""
    filters = mel_filters()
    return filters / filters.sum(dim=1, keepdim=True).clamp_min(_TINY)


@cache
def _top_slope() -> Tensor:
    """1, falling to 0 along the upper slope of the highest band, ``[WINDOW // 2 + 1]``: otherwise
    the audio would break off at full level there."""
    highest = mel_filters()[:, -1]
    slope = highest / highest.max()
    slope[: int(highest.argmax())] = 1
    return slope


@cache
def _ramp(length: int) -> Tensor:
    """1, rising from 0 and falling to 0 over ``FADE`` samples at the ends."""
    position = torch.arange(length, dtype=torch.float32)
    edge = torch.minimum(position, position.flip(0)).clamp_max(FADE)
    return torch.sin(0.5 * math.pi * edge / FADE).square()
