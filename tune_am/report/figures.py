"""The figures of a report that go into a paper: PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tune_am.am.objectives import DIVERGED_PENALTY
from tune_am.report.explanation import Explanation, Group
from tune_am.report.renderer import Renderer
from tune_am.report.style import (
    INK,
    LABEL,
    NEVER,
    REAL,
    SYNTHESISED,
    direct_labels,
    house_style,
    new_figure,
    raised,
    save,
)
from tune_am.report.trace import Trace
from tune_am.report.words import numbers, scored
from tune_am.tuning.record import FINISHED
from tune_am.tuning.result_format import TITLES

COLUMNS = 4

# Synthesised examples in a figure: more rows of them would be too small to see in print.
MOST = 8


def draw_figures(
    shown: Explanation,
    renderer: Renderer,
    limits: tuple[float, float],
    searched: Sequence[dict[str, Any]],
    folder: Path,
) -> None:
    """Draw all of them into `folder`. searched: the trials of `data.trial_rows`."""
    folder.mkdir()
    with house_style():
        figures = {
            "examples": examples_figure(shown, renderer, limits),
            "activations": activations_figure(shown),
        }
        if shown.trace is not None and shown.path is not None:
            figures["path"] = _path(shown.path, shown.trace, renderer, limits)
            figures["ascent"] = ascent_figure(shown, shown.trace)
        if searched:
            figures["search"] = search_figure(shown, searched)
        for name, figure in figures.items():
            save(figure, folder, name)


@house_style()
def examples_figure(shown: Explanation, renderer: Renderer, limits: tuple[float, float]) -> Figure:
    """The best examples, the real ones and those never optimised, on one colour scale."""
    groups = {"synthesised": shown.best, "real": shown.real, "never optimised": shown.never}
    rows: list[tuple[str, Group, int]] = []
    for title, group in groups.items():
        if group is not None:
            most = MOST if title == "synthesised" else COLUMNS
            rows += [(title, group, i) for i in range(0, min(len(group), most), COLUMNS)]
    figure = new_figure(0.4 + 1.42 * len(rows))
    axes = figure.subplots(len(rows), COLUMNS, sharex=True, sharey=True, squeeze=False)
    for line, (title, group, first) in zip(axes, rows, strict=True):
        pictures = renderer.codes(group.inputs[first : first + COLUMNS], limits).numpy()
        values = numbers(group.activations.tolist())
        for place, axis in enumerate(line):
            if place < len(pictures):
                _picture(axis, pictures[place], renderer)
                axis.set_title(values[first + place], fontsize=8, pad=3)
            else:
                axis.set_visible(False)
        line[0].set_ylabel(f"{title}\n{renderer.y.label}")
    for axis in axes[-1]:
        axis.set_xlabel(renderer.x.label)
    _colour_bar(figure, axes, renderer, limits)
    return figure


def _path(path: Group, trace: Trace, renderer: Renderer, limits: tuple[float, float]) -> Figure:
    """One example from its start to its end."""
    pictures, steps = renderer.codes(path.inputs, limits).numpy(), trace.path
    figure = new_figure(1.9)
    axes = figure.subplots(1, len(pictures), sharex=True, sharey=True, squeeze=False)
    values = numbers(path.activations.tolist())
    for axis, picture, step, value in zip(axes[0], pictures, steps, values, strict=True):
        _picture(axis, picture, renderer)
        axis.set_title(f"step {step}\n{value}", fontsize=8, pad=3)
        axis.set_xlabel(renderer.x.label)
    axes[0, 0].set_ylabel(renderer.y.label)
    _colour_bar(figure, axes, renderer, limits)
    return figure


def _picture(axis: Axes, codes: np.ndarray, renderer: Renderer) -> None:
    axis.imshow(
        codes,
        cmap=renderer.colours,
        vmin=0,
        vmax=255,
        extent=(0, 1, 0, 1),
        aspect="auto" if renderer.x.ticks else renderer.height / renderer.width,
        interpolation="nearest",
    )
    axis.set_xticks(*_ticks(renderer.x.ticks))
    axis.set_yticks(*_ticks(renderer.y.ticks))
    axis.tick_params(length=2, pad=2, labelsize=7.5)


def _ticks(ticks: Sequence[tuple[float, str]]) -> tuple[list[float], list[str]]:
    return [position for position, _ in ticks], [label for _, label in ticks]


def _colour_bar(
    figure: Figure, axes: np.ndarray, renderer: Renderer, limits: tuple[float, float]
) -> None:
    if renderer.colours is not None:
        colours = ScalarMappable(Normalize(*limits), renderer.colours)
        bar = figure.colorbar(colours, ax=axes, label=renderer.scale, fraction=0.02, pad=0.015)
        bar.outline.set_visible(False)


@house_style()
def ascent_figure(shown: Explanation, trace: Trace) -> Figure:
    """The activation kept by each start, step by step, beside that of the real excerpts."""
    figure = new_figure(2.6)
    axes = figure.subplots()
    steps = np.arange(1, trace.steps + 1)
    median = trace.median.numpy()
    axes.plot(steps, trace.activations.numpy(), color=SYNTHESISED, alpha=0.45, linewidth=1)
    axes.plot(steps, median, color=SYNTHESISED, linewidth=2)
    mean, deviation = float(shown.target.mean()), float(shown.target.std())
    axes.axhspan(mean - deviation, mean + deviation, color=REAL, alpha=0.18, linewidth=0)
    axes.axhline(mean, color=REAL, linewidth=1.2)
    names = (mean, "real, mean ± SD", REAL), (float(median[-1]), "median start", SYNTHESISED)
    direct_labels(axes, steps[-1], names)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("step of the ascent")
    axes.set_ylabel(f"activation of {shown.neuron.name}")
    axes.margins(x=0.01)
    return figure


@house_style()
def activations_figure(shown: Explanation) -> Figure:
    """What the score measures: both sets of activations, their means and deviations."""
    figure = new_figure(2.8)
    strip, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 4))
    series = (
        ("real", shown.target, REAL),
        ("synthesised", shown.kept.activations, SYNTHESISED),
        ("never optimised", shown.never_activations, NEVER),
    )
    bins = np.histogram_bin_edges(np.concatenate([values.numpy() for _, values, _ in series]), 40)
    for place, (name, values, colour) in enumerate(series):
        strip.errorbar(
            float(values.mean()), -place, xerr=float(values.std()), color=colour, fmt="o", ms=4
        )
        counts, _ = np.histogram(values.numpy(), bins)
        axes.stairs(counts / len(values), bins, color=colour, linewidth=1.4, label=name)
        axes.stairs(counts / len(values), bins, color=colour, alpha=0.25, fill=True)
    strip.set_yticks([])
    strip.spines[["left", "bottom"]].set_visible(False)
    strip.tick_params(bottom=False)
    strip.set_ylim(-2.7, 0.7)
    strip.set_ylabel("mean\n± SD", rotation=0, ha="right", va="center", fontsize=8)
    axes.set_xlabel(f"activation of {shown.neuron.name}")
    axes.set_ylabel("share")
    axes.legend()
    return figure


@house_style()
def search_figure(shown: Explanation, trials: Sequence[dict[str, Any]]) -> Figure:
    """Every trial's score along its ascent, and how it ended."""
    figure = new_figure(3.2)
    axes = figure.subplots()
    best, points = shown.row["trial"], shown.plan.report_points
    first, last = points[0], points[-1]
    scores = [score for trial in trials for _, score in trial["course"]]
    made = shown.objective
    controls = {
        TITLES[name]: row[made.metric] for name, row in shown.controls.items() if scored(row, made)
    }
    seen = [score for score in scores if score < DIVERGED_PENALTY]
    top = max([*seen, *controls.values()], default=1.0)
    for trial in trials:
        steps, course = zip(*trial["course"], strict=True)
        leads = trial["trial"] == best
        colour = SYNTHESISED if leads else INK
        ended = trial["outcome"] == FINISHED
        axes.plot(steps, course, color=colour, linewidth=2 if leads else 0.9, zorder=2 + leads)
        axes.plot(steps[-1], course[-1], marker="o" if ended else "x", ms=5, color=colour, zorder=3)
    axes.plot([], [], "o-", color=SYNTHESISED, label="best")
    axes.plot([], [], "o-", color=INK, label="ran to the end")
    axes.plot([], [], "x-", color=INK, label="did not run to the end")
    axes.set_xscale("log")
    if made.rooted:
        # Distances are squares: their roots are in the units of the activation.
        axes.set_yscale("function", functions=(lambda v: np.sqrt(np.clip(v, 0, None)), np.square))
    axes.set_xticks(points, [str(point) for point in points], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("step of the ascent")
    axes.set_ylabel(made.label)
    low, high = min(0, *scores), top + 0.1 * abs(top)
    axes.set_ylim(low, high if high > low else low + 1)  # of a constant unit all are 0
    figure.legend(loc="outside upper right", ncols=3)
    levels = sorted((level, name) for name, level in controls.items())
    for (level, name), shift in zip(levels, raised(axes, [y for y, _ in levels]), strict=True):
        axes.axhline(level, color=REAL, linewidth=1, linestyle=(0, (4, 3)))
        # Trials go from the top left to the bottom right: the other corners are free.
        low = level < top / 4
        axes.annotate(
            name,
            (first if low else last, level),
            (0, 3 + shift),
            textcoords="offset points",
            color=REAL,
            fontsize=LABEL,
            ha="left" if low else "right",
        )
    return figure
