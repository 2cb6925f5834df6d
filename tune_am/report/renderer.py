"""How inputs are drawn and sounded: the domain's own affair, chosen by the pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tune_am.errors import UserError
from tune_am.packs.pack import Pack
from tune_am.packs.positions import domain_of

# Domain, as the entry "input" of pack.json names it -> what draws and sounds its inputs. What names
# none is drawn as a plain image, or as a curve where it is a line.
DOMAINS = {
    "image": "tune_am.report.image:Image",
    "curve": "tune_am.report.curve:Curve",
    "log-mel": "tune_am.vocal.render:LogMel",
}


@dataclass(frozen=True)
class Axis:
    """ticks: position from 0 to 1 (left to right, bottom to top) and its label."""

    label: str = ""
    ticks: tuple[tuple[float, str], ...] = ()


class Renderer:
    """Draws inputs as plain images: [H, W] by a colour scale, [C, H, W] of 1 or 3 channels.

    A domain's renderer is a subclass. x, y: the axes of a picture. scale: what its colours mean.
    colours: matplotlib's name of the colour map, None where a pixel is a colour already. suffix: of
    the sounds' files, None where an input makes no sound. heard: what those are, a
    sentence. note: what all that leaves out. said: the ends of the scale as far as the pack says
    them, None for an end to be found.
    """

    x, y = Axis(), Axis()
    scale = "value"
    suffix: str | None = None
    heard, note = "", ""
    said: tuple[float | None, float | None] = (None, None)

    def __init__(self, shape: Sequence[int]) -> None:
        if not (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))):
            raise UserError(
                f"inputs of shape {list(shape)} cannot be drawn: allowed are [H, W], [1, H, W], "
                '[3, H, W], [samples], [1, samples], and what a "domain" of the input can draw: '
                + ", ".join(DOMAINS)
            )
        self.colours: str | None = None if len(shape) == 3 and shape[0] == 3 else "gray"
        self.height, self.width = shape[-2:]

    def describe(self, entry: Mapping[str, Any]) -> None:
        """Take in what the entry "input" of pack.json says of an input."""

    def limits(self, inputs: Tensor) -> tuple[float, float]:
        """The values at the ends of the one scale that all of `inputs` share."""
        low, high = self.said
        return (
            float(inputs.min()) if low is None else low,
            float(inputs.max()) if high is None else high,
        )

    def codes(self, inputs: Tensor, limits: tuple[float, float]) -> Tensor:
        """Pictures of `inputs: [n, *input_shape]`, uint8, the top row first.

        [n, H, W] places on the colour scale from 0 to 255, or [n, H, W, 3] colours.
        """
        low, high = limits
        share = ((inputs - low) / max(high - low, 1e-12)).clamp(0, 1)
        codes = (255 * share).round().to(torch.uint8)
        if codes.dim() == 3:
            return codes
        return codes[:, 0] if codes.shape[1] == 1 else codes.permute(0, 2, 3, 1)

    def write_sounds(self, inputs: Tensor, paths: Sequence[Path]) -> None:
        """Write what each of `inputs: [n, *input_shape]` sounds like; only where `suffix` is."""
        raise NotImplementedError


def renderer_for(pack: Pack) -> Renderer:
    """The renderer of the pack's inputs. Raises `UserError` for what cannot be drawn."""
    return renderer_of(pack.input_shape, pack.manifest["input"])


def is_line(shape: Sequence[int]) -> bool:
    """Whether inputs are [samples] or [1, samples]."""
    return len(shape) == 1 or (len(shape) == 2 and shape[0] == 1)


def renderer_of(shape: Sequence[int], entry: Mapping[str, Any]) -> Renderer:
    """The renderer of inputs of `shape` of which pack.json says `entry`. Raises `UserError`."""
    domain = domain_of(entry)
    if "domain" in entry and domain not in DOMAINS:
        raise UserError(f"unknown domain {domain!r} of the input: allowed are {', '.join(DOMAINS)}")
    if is_line(shape) and domain in ("", "image"):
        domain = "curve"
    module, _, name = DOMAINS.get(domain, f"{__name__}:Renderer").partition(":")
    renderer: Renderer = getattr(import_module(module), name)(shape)
    renderer.describe(entry)
    return renderer
