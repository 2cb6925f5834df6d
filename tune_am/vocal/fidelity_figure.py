"""The figure of a generator's fidelity: its statistics beside real ones, samples beside the nearest
training excerpts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from tune_am.vocal import texture
from tune_am.vocal.melspec import FRAMES
from tune_am.vocal.samples import colour_limits, show
from tune_am.whole import whole

if TYPE_CHECKING:
    from tune_am.vocal.fidelity import Comparison

PAIRS = 6
_COLOURS = {"generated": "C1", "real, training": "C0", "real, test": "C2"}


def draw_figure(path: Path, comparison: Comparison) -> None:
    """Bands, modulation over time and over bands; below, samples over their nearest training
    excerpts (of songs that may be shown, so the nearest of all may be nearer). A PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 8.2), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.2))[:, 0]
    real = comparison.real
    sets = dict(zip(_COLOURS, (comparison.samples, real.train, real.test), strict=True))
    bands, time, fine = above.subplots(1, 3)
    for name, excerpts in sets.items():
        colour = _COLOURS[name]
        mean, std = texture.band_moments(excerpts)
        bands.plot(mean, color=colour, label=name)
        bands.plot(mean - std, color=colour, linestyle=":")
        bands.plot(mean + std, color=colour, linestyle=":")
        time.plot(
            texture.time_rates()[1:], texture.modulation_over_time(excerpts)[1:], color=colour
        )
        fine.plot(
            texture.band_rates()[1:], texture.modulation_over_bands(excerpts)[1:], color=colour
        )
    bands.set(xlabel="mel band", ylabel="log magnitude", title="mean ± standard deviation")
    bands.legend(fontsize=8)
    time.set(xlabel="Hz", ylabel="dB", title="modulation over time", xscale="log")
    fine.set(xlabel="cycles per band", ylabel="dB", title="modulation over bands")
    _pairs(below, comparison)
    with whole(path) as partial:
        FigureCanvasAgg(figure).print_png(partial)


def _pairs(figure: Any, comparison: Comparison) -> None:
    """Samples, the ones nearest to a training song first, each over what it is nearest to."""
    showable = [i for i, song in enumerate(comparison.real.songs) if song.showable]
    columns = min(PAIRS, len(comparison.chosen))
    if not showable or not columns:
        return
    distance, song, start = comparison.nearest.best(showable)
    closest = distance.argsort()[:columns]
    samples = comparison.samples[comparison.chosen[closest]]
    models = [
        comparison.real.songs[int(song[i])].log_mel[:, int(start[i]) : int(start[i]) + FRAMES]
        for i in closest
    ]
    values = torch.cat([samples.flatten(), *(model.float().flatten() for model in models)])
    limits = colour_limits(values)
    rows = figure.subplots(2, columns, sharex=True, sharey=True, squeeze=False)
    for column, i in enumerate(closest.tolist()):
        for axis, excerpt in zip(rows[:, column], (samples[column], models[column]), strict=True):
            show(axis, excerpt, limits)
        rows[0, column].set_title(f"RMS difference {distance[i]:.2f}", fontsize=8)
        rows[1, column].set_xlabel("seconds", fontsize=8)
    rows[0, 0].set_ylabel("generated\nHz", fontsize=8)
    rows[1, 0].set_ylabel("nearest shown training\nHz", fontsize=8)
