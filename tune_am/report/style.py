"""The house style of the figures: one place for their colours, type and files."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

# Okabe & Ito's palette, told apart by colour-blind readers; the greys differ in lightness too. The
# page uses the same (page.css).
SYNTHESISED = "#d55e00"
REAL = "#0072b2"
NEVER = "#8c8c8c"

# One grey for type and lines that is read on white and on black alike (contrast 4.5 on both), so
# that a figure on no background fits a light and a dark page.
INK = "#767676"

# A page's text width. At half of it, in a column of two, type of 9 points becomes 4.5: readable.
WIDTH = 7.2  # inches

LABEL = 8  # points, the type of labels beside lines

DPI = 200
NOTEBOOK_DPI = 110

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.transparent": True,
    "lines.linewidth": 1.4,
    "text.parse_math": False,  # a neuron may be called $anything$
    "svg.fonttype": "none",  # text stays text: small files that can be searched and edited
    "svg.hashsalt": "tune_am",  # the same figure, the same file
}


@contextmanager
def house_style() -> Iterator[None]:
    """Figures made and saved within look alike, whatever the user's own matplotlibrc says."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # A neuron's name may have signs that no font here has: boxes say so.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


class HouseFigure(Figure):
    """A figure that keeps the house style wherever it is shown or saved."""

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        with house_style():
            super().savefig(fname, **kwargs)

    def _repr_png_(self) -> bytes:
        """What a notebook shows, whether or not it has set Matplotlib up.

        In a palette, for which spectrograms take a quarter of the room: notebooks keep pictures.
        """
        whole, small = io.BytesIO(), io.BytesIO()
        self.savefig(whole, format="png", dpi=NOTEBOOK_DPI)
        picture = Image.open(whole).quantize(256, method=Image.Quantize.FASTOCTREE)
        picture.save(small, "PNG", optimize=True)
        return small.getvalue()


def new_figure(height: float) -> Figure:
    """A figure of the text's width, `height` inches high."""
    return HouseFigure(figsize=(WIDTH, height), layout="constrained")


def raised(axes: Axes, heights: Sequence[float]) -> list[float]:
    """By how many points labels at these heights, the lowest first, are to be raised so that none
    is printed over another."""
    axes.get_ylim()  # or the transform would not know them yet
    shifts, above = [], -math.inf
    for height in heights:
        at = axes.get_yaxis_transform().transform((0, height))[1] * 72 / axes.figure.dpi
        above = max(at, above + LABEL + 2)
        shifts.append(above - at)
    return shifts


def direct_labels(axes: Axes, x: float, lines: Sequence[tuple[float, str, str]]) -> None:
    """Name lines where they end, at `x`: the height, text and colour of each."""
    lines = sorted(lines)
    for (y, text, colour), shift in zip(lines, raised(axes, [y for y, *_ in lines]), strict=True):
        axes.annotate(
            text,
            (x, y),
            (4, shift),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=LABEL,
        )


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``name.png`` and ``name.svg``."""
    if figure.axes and (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
    figure.set_layout_engine(None)  # laid out once: for each file it would be again
    figure.savefig(folder / f"{name}.png", dpi=DPI, metadata={"Software": None})
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
