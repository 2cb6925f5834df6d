"""Which axes of an input are positions: time, or the rows and columns of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Positions:
    """Axes of an input, counted from the last (-1).

    moved: along which it may be shifted and stay what it is. near: along which neighbours are
    alike.
    """

    moved: tuple[int, ...]
    near: tuple[int, ...]


# May come later, but not higher; its bands are neighbours all the same.
SPECTROGRAM = Positions((-1,), (-2, -1))


def positions_of(entry: Mapping[str, Any], shape: Sequence[int]) -> Positions:
    """Those of inputs of `shape` of which pack.json says `entry`.

    Of pictures [..., rows, columns] the last two, of a curve its samples, of what has no known
    domain all axes but the first, its channels. A vector of features has none.
    """
    domain, axes = domain_of(entry), tuple(range(-len(shape), 0))
    if domain == "log-mel":
        return SPECTROGRAM
    if domain == "curve":
        return Positions((-1,), (-1,))
    known = axes[-2:] if domain == "image" and len(axes) > 1 else axes[1:]
    return Positions(known, known)


def domain_of(entry: Mapping[str, Any]) -> str:
    """What kind of input it is; packs from before there were domains say it in the first word of
    the units."""
    return str(entry.get("domain") or str(entry.get("units", "")).split(":")[0].split(",")[0])
