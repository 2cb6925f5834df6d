"""Pictures and sounds of examples: files in the report's folder, and the same within its page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tune_am.report.explanation import Group
from tune_am.report.renderer import Renderer
from tune_am.report.words import numbers

# Of each group the page shows so many; the folder holds all. More would make it slow to open.
ON_PAGE = 16

_MIME = {".flac": "audio/flac", ".wav": "audio/wav"}


@dataclass(frozen=True)
class Media:
    """Draws and sounds every group once, on one colour scale. sounds: their folder."""

    renderer: Renderer
    limits: tuple[float, float]
    sounds: Path

    @classmethod
    def write(
        cls, renderer: Renderer, typical: Tensor, groups: Sequence[Group], sounds: Path
    ) -> Media:
        """Write the sounds of all `groups`, all in one go: the inversion is faster so.

        typical: [n, *input_shape], on which the colour scale is set.
        """
        inputs = torch.cat([group.inputs for group in groups])
        media = cls(renderer, renderer.limits(typical), sounds)
        if renderer.suffix is not None:
            sounds.mkdir()
            names = [media.sound(group.key, i) for group in groups for i in range(len(group))]
            renderer.write_sounds(inputs, names)
        return media

    def sound(self, key: str, i: int) -> Path:
        return self.sounds / f"{key}-{i + 1:02}{self.renderer.suffix}"

    def cards(self, group: Group, labels: Sequence[str] = ()) -> list[dict[str, Any]]:
        """What the page shows of each example: picture and sound as data URIs, and its words."""
        pictures = self.renderer.codes(group.inputs[:ON_PAGE], self.limits)
        texts = numbers(group.activations.tolist())
        return [
            {
                "label": labels[i] if labels else str(i + 1),
                "activation": texts[i],
                "credit": group.credits[i] if group.credits else "",
                "picture": picture_uri(picture, self.renderer.colours),
                "sound": self._embedded(group.key, i),
            }
            for i, picture in enumerate(pictures)
        ]

    def _embedded(self, key: str, i: int) -> str | None:
        suffix = self.renderer.suffix
        if suffix is None:
            return None
        return _data_uri(self.sound(key, i).read_bytes(), _MIME[suffix])


def legend(renderer: Renderer) -> str | None:
    """The colour scale as a picture, from its lowest value to its highest."""
    if renderer.colours is None:
        return None
    return picture_uri(np.arange(256, dtype=np.uint8)[None], renderer.colours)


def picture_uri(codes: Tensor | np.ndarray, colours: str | None) -> str:
    """A picture of uint8 `codes` as a data URI: [H, W] places on the scale `colours`, or [H, W, 3]
    colours."""
    file = io.BytesIO()
    image_of(codes, colours).save(file, "PNG", optimize=True)
    return _data_uri(file.getvalue(), "image/png")


def image_of(codes: Tensor | np.ndarray, colours: str | None) -> Image.Image:
    """The picture of those codes."""
    image = Image.fromarray(np.ascontiguousarray(codes))
    if colours is not None:
        palette = (255 * matplotlib.colormaps[colours](np.arange(256))[:, :3]).round()
        image.putpalette(palette.astype(np.uint8).tobytes())
    return image


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
