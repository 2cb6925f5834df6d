"""How should a log-mel excerpt be turned into audio? The choices of ``tune_am.vocal.sound``.

    python bench/sound.py --work DIR [--excerpts 200]

One thread. The first three tables compare ways on the test clip, whose recording is known:

- magnitudes from the bands: how far the bands are missed, and the recording's magnitudes;
- first phases: error of the log-mel after so many iterations, and distance from the recording;
- iterations: the magnitudes held, yielding, or on the bands alone; momentum; torchaudio's.

The distance from the recording is the difference of magnitudes in windows of 256, 1024 and 4096
samples, in dB; nothing here optimises it. Errors of log-mels are mean absolute differences in dB.
Both count what is within 60 dB of an excerpt's loudest. Times are processor time, the least of
three.

The last tables are the chosen way: time, and with --work (folder with the corpus of the pack's
build) the round trip of held-out excerpts and of the generator's samples, by the shipped pack.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from sound_alternatives import (
    SAMPLES,
    every_bin_follows,
    heap_integrated,
    inverse_mel,
    least_squares,
    library,
)
from torch import Tensor

from tune_am.packs.pack import Pack
from tune_am.vocal import sound
from tune_am.vocal.corpus import load_corpus
from tune_am.vocal.labels import NOT_SUNG, SUNG
from tune_am.vocal.melspec import (
    FRAMES,
    HIGHEST_HZ,
    HOP,
    LOG_FLOOR,
    SAMPLE_RATE,
    WINDOW,
    excerpts,
    log_mel,
    mel_filters,
    read_audio,
)
from tune_am.vocal.stages import run_stage, step_count

CLIP = Path(__file__).parents[1] / "tests" / "data" / "starfall.ogg"
RANGE_DB = 60
ITERATIONS = (0, 4, 8, 16, 32)
WINDOWS = (256, 1024, 4096)
HEADING = f"\n{'log-mel error, dB, after iterations':>66s}      from the recording, dB"
COLUMNS = "".join(f"{window:8d}" for window in WINDOWS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, help="folder of the pack's build")
    parser.add_argument("--excerpts", type=step_count, default=200, help="held-out excerpts [200]")
    options = parser.parse_args()
    torch.set_num_threads(1)
    recording, inputs = clip()
    compare_magnitudes(recording, inputs)
    compare_phases(recording, inputs)
    compare_iterations(recording, inputs)
    show_times(inputs)
    if options.work is not None:
        show_round_trips(options.work, options.excerpts)


def clip() -> tuple[Tensor, Tensor]:
    """Ten excerpts of the test clip: samples ``[10, SAMPLES]`` and log-mel of the whole cut."""
    samples = read_audio(CLIP)
    spectrogram = log_mel(samples)
    centres = torch.linspace(FRAMES, spectrogram.shape[1] - FRAMES, 10).round().long()
    starts = (centres - FRAMES // 2) * HOP
    cuts = torch.stack([samples[start : start + SAMPLES] for start in starts.tolist()])
    return cuts, excerpts(spectrogram, centres)


def compare_magnitudes(recording: Tensor, inputs: Tensor) -> None:
    bands, truth = linear(inputs), spectrum(recording, WINDOW, HOP).transpose(1, 2)
    ways: dict[str, Callable[[], Tensor]] = {
        f"multiplicative, {steps} steps": lambda steps=steps: sound.magnitudes(bands, steps)
        for steps in (0, 2, sound.MEL_STEPS, 32)
    }
    ways |= {
        f"least squares, {steps} steps": lambda steps=steps: least_squares(bands, steps)
        for steps in (8, 128)
    }
    ways["torchaudio InverseMelScale"] = lambda: inverse_mel(bands)
    chosen = least_time(lambda: sound.magnitudes(bands))
    heard = mel_filters().sum(dim=1) > 0
    print("magnitudes from the bands       bands, dB   recording, dB   time / chosen")
    for name, way in ways.items():
        bins = way()
        missed = error(nats(bins @ mel_filters()), nats(bands))
        far = error(nats(bins[..., heard]), nats(truth[..., heard]))
        ratio = least_time(way) / chosen
        print(f"  {name:28s}  {missed:9.3f}   {far:13.2f}   {ratio:13.1f}")


def compare_phases(recording: Tensor, inputs: Tensor) -> None:
    bands = linear(inputs)
    bins = sound.magnitudes(bands)
    draws = torch.Generator().manual_seed(0)
    ways: dict[str, Callable[[], Tensor]] = {
        "random": lambda: 2 * math.pi * torch.rand(bins.shape, generator=draws),
        "zero": lambda: torch.zeros_like(bins),
        "every bin follows a peak": lambda: every_bin_follows(bins),
        "peaks, else random (chosen)": lambda: sound.phases(bins),
        "phase-gradient heap": lambda: heap_integrated(bins),
    }
    steps = "".join(f"{i:8d}" for i in ITERATIONS)
    print(f"{HEADING}\n{'first phase':30s}{steps}{COLUMNS}      ms")
    for name, way in ways.items():
        begun = time.process_time()
        phase = way()
        spent = time.process_time() - begun
        first = torch.polar(bins, phase)
        audio = {i: played(bands, first, i) for i in ITERATIONS}
        errors = "".join(f"{error(log_mel(audio[i]), inputs):8.2f}" for i in ITERATIONS)
        print(f"  {name:28s}{errors}{distances(audio[16], recording)}{1e3 * spent:8.0f}")


def compare_iterations(recording: Tensor, inputs: Tensor) -> None:
    bands = linear(inputs)
    bins = sound.magnitudes(bands)
    first = torch.polar(bins, sound.phases(bins))
    ways: dict[str, Callable[[int], Tensor]] = {
        "magnitudes held": lambda i: played(bands, first, i, yielding=0.0),
        "yielding 0.1": lambda i: played(bands, first, i, yielding=0.1),
        "yielding 0.3 (chosen)": lambda i: played(bands, first, i),
        "the bands alone": lambda i: played(bands, first, i, yielding=1.0),
        "no momentum": lambda i: played(bands, first, i, momentum=0.0),
        "torchaudio's, random phase": lambda i: library(inverse_mel(bands), i),
        "the same on our magnitudes": lambda i: library(bins, i),
    }
    chosen = least_time(lambda: ways["yielding 0.3 (chosen)"](sound.ITERATIONS))
    steps = ITERATIONS[1:]
    print(f"{HEADING}\n{'iterations':38s}" + "".join(f"{i:8d}" for i in steps) + COLUMNS, end="")
    print("  time / chosen")
    for name, way in ways.items():
        audio = {i: way(i) for i in steps}
        errors = "".join(f"{error(log_mel(audio[i]), inputs):8.2f}" for i in steps)
        ratio = least_time(lambda way=way: way(sound.ITERATIONS)) / chosen
        print(f"  {name:36s}{errors}{distances(audio[16], recording)}{ratio:15.2f}")


def show_times(inputs: Tensor) -> None:
    print("\nten excerpts, seconds   processor    wall")
    for iterations in ITERATIONS:
        spent = [timed(lambda: sound.to_audio(inputs, iterations)) for _ in range(4)][1:]  # noqa: B023
        mark = "  (chosen)" if iterations == sound.ITERATIONS else ""
        least = [min(times) for times in zip(*spent, strict=True)]
        print(f"  {iterations:2d} iterations        {least[0]:9.3f}{least[1]:8.3f}{mark}")


def show_round_trips(work: Path, n: int) -> None:
    pack = Pack.load("vocal")
    print("\n                               same    probability of singing, mean      log-mel")
    print("round trip               n    class    before    after    difference   error, dB")
    cases = {
        name: held_out(work, -(-n // 2), label)
        for name, label in (("sung", SUNG), ("not sung", NOT_SUNG))
    }
    with torch.inference_mode():
        cases["generated"] = pack.prior(
            pack.prior.sample(-(-n // 2), torch.Generator().manual_seed(0))
        )
    for name, inputs in cases.items():
        back = log_mel(sound.to_audio(inputs))
        before, after = (logits(pack.classifier, x) for x in (inputs, back))
        p, q = before.sigmoid(), after.sigmoid()
        same = ((before > 0) == (after > 0)).float().mean()
        print(
            f"  {name:18s}{len(inputs):6d}   {100 * same:4.1f} %{p.mean():10.3f}{q.mean():9.3f}"
            f"{(p - q).abs().mean():14.3f}{error(back, inputs):12.2f}"
        )


def held_out(work: Path, n: int, label: int) -> Tensor:
    """``[n, BANDS, FRAMES]`` around random frames with a label, the songs in turn."""
    draws = torch.Generator().manual_seed(0)
    songs = [track for track in load_corpus(work, "valid", "test") if len(track.frames(label))]
    chosen = []
    for i in range(n):
        frames = songs[i % len(songs)].frames(label)
        centre = frames[torch.randint(len(frames), (1,), generator=draws)]
        chosen.append(songs[i % len(songs)].excerpts(centre)[0])
    return torch.stack(chosen).clamp_min(LOG_FLOOR)  # stored in half precision, rounded below it


@torch.inference_mode()
def logits(detector: torch.nn.Module, inputs: Tensor) -> Tensor:
    return torch.cat([detector(part) for part in inputs.split(10)])


def played(bands: Tensor, first: Tensor, iterations: int, **options: float) -> Tensor:
    return sound.griffin_lim(bands, first, iterations, torch.ones(len(bands)), **options)


def linear(inputs: Tensor) -> Tensor:
    """``[n, BANDS, frames]`` -> ``[n, frames, BANDS]`` magnitude."""
    return inputs.exp().transpose(1, 2).contiguous()


def nats(magnitude: Tensor) -> Tensor:
    return magnitude.clamp_min(1e-7).log()


def spectrum(audio: Tensor, window: int, hop: int) -> Tensor:
    weights = torch.hann_window(window)
    return torch.stft(
        audio, window, hop, window=weights, pad_mode="constant", return_complex=True
    ).abs()


def error(ours: Tensor, truth: Tensor) -> float:
    """Mean absolute difference in dB of log magnitudes, where the truth is within the range."""
    decibels = 20 / math.log(10)
    loud = truth > truth.amax(dim=(1, 2), keepdim=True) - RANGE_DB / decibels
    return float((ours - truth)[loud].abs().mean()) * decibels


def distances(audio: Tensor, recording: Tensor) -> str:
    text = ""
    for window in WINDOWS:
        ours, truth = (
            nats(spectrum(x, window, window // 4)[:, : int(HIGHEST_HZ / SAMPLE_RATE * window)])
            for x in (audio, recording)
        )
        text += f"{error(ours, truth):8.2f}"
    return text


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of processor and wall clock."""
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - processor, time.perf_counter() - wall


def least_time(work: Callable[[], object]) -> float:
    return min(timed(work)[0] for _ in range(3))


if __name__ == "__main__":
    run_stage(main)
