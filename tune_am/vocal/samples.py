"""What the generator draws: its samples beside real excerpts, and their simplest measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.packs.device import device_of
from tune_am.vocal.corpus import load_corpus
from tune_am.vocal.labels import NOT_SUNG, SUNG
from tune_am.vocal.melspec import BANDS, FRAMES, FRAMES_PER_SECOND, TICKS_HZ, mel_position
from tune_am.vocal.nets import BATCH, Generator

COLUMNS = 6


@torch.inference_mode()
def draw_samples(generator: Generator, n: int) -> Tensor:
    """``[n, BANDS, FRAMES]`` log-mel samples of the generator, computed where it is; on the CPU."""
    z = torch.randn(n, generator.latent, generator=torch.Generator().manual_seed(0))
    return torch.cat([generator(part).cpu() for part in z.to(device_of(generator)).split(BATCH)])


def share_heard_as_singing(detector: nn.Module, samples: Tensor) -> float:
    """Share of samples ``[n, BANDS, FRAMES]`` above the detector's threshold of 0.5."""
    with torch.inference_mode():
        logits = torch.cat([detector(part) for part in samples.split(BATCH)])
    return float((logits > 0).float().mean())


def real_excerpts(work: Path, n: int, sung: bool) -> tuple[Tensor, list[str]]:
    """``[n, BANDS, FRAMES]`` from recordings whose licence lets excerpts be shown, and a line of
    credit for each; none where no recording's licence does."""
    label = SUNG if sung else NOT_SUNG
    tracks = [
        track
        for track in load_corpus(work)
        if track.showable and track.sung and len(track.frames(label))
    ]
    draws = torch.Generator().manual_seed(0)
    chosen = [torch.empty(0, BANDS, FRAMES)]
    credits: list[str] = []
    for _ in range(n if tracks else 0):
        track = tracks[int(torch.randint(len(tracks), (), generator=draws))]
        frames = track.frames(label)
        centre = frames[torch.randint(len(frames), (1,), generator=draws)]
        chosen.append(track.excerpts(centre))
        second = int(centre) / FRAMES_PER_SECOND
        credits.append(f"{track.source}: {track.name}, second {second:.1f}, {track.licence}")
    return torch.cat(chosen), credits


def picture(path: Path, rows: dict[str, Tensor]) -> None:
    """Draws rows of log-mel excerpts ``{title: [n, BANDS, FRAMES]}`` on one colour scale as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.1 * COLUMNS, 1.75 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), COLUMNS, sharex=True, sharey=True)
    limits = colour_limits(torch.cat([part[:COLUMNS].flatten() for part in rows.values()]))
    image = None
    for line, (title, excerpts) in zip(axes, rows.items(), strict=True):
        for axis, excerpt in zip(line, excerpts, strict=False):
            image = show(axis, excerpt, limits)
        line[0].set_ylabel(f"{title}\nHz", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("seconds", fontsize=8)
    assert image is not None
    figure.colorbar(image, ax=axes, label="log magnitude", fraction=0.02)
    FigureCanvasAgg(figure).print_png(path)


def colour_limits(values: Tensor) -> tuple[float, float]:
    """The range of log-mel ``values: [n]`` that colours span; every so many, for quantiles of
    millions are refused."""
    some = values[:: max(1, len(values) // 100_000)].float()
    low, high = torch.quantile(some, torch.tensor([0.04, 0.998])).tolist()
    return low, high


def show(axis: Any, excerpt: Tensor, limits: tuple[float, float]) -> Any:
    """Draws a log-mel excerpt ``[BANDS, FRAMES]`` on a matplotlib axis; the image."""
    axis.set_yticks([BANDS * mel_position(hertz) for hertz in TICKS_HZ], map(str, TICKS_HZ))
    axis.tick_params(labelsize=7)
    return axis.imshow(
        excerpt.float().numpy(),
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=limits[0],
        vmax=limits[1],
        extent=(0, FRAMES / FRAMES_PER_SECOND, 0, BANDS),
    )
