"""How a picture is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tune_am.report.renderer import Renderer

# Pixels of the longer side below which a picture is enlarged: a browser would blur its pixels.
SMALLEST = 128


class Image(Renderer):
    """A picture as it is: grey levels of one channel, red, green and blue of three.

    Its scale goes from one end of the range that pack.json says to the other, so that nothing looks
    brighter than it is; without one from the lowest value to the highest.
    """

    scale = "grey level"
    note = "Pictures are drawn pixel by pixel, small ones enlarged."

    def describe(self, entry: Mapping[str, Any]) -> None:
        self.said = tuple(entry.get("range", self.said))
        self.scale = str(entry.get("units", self.scale))

    def codes(self, inputs: Tensor, limits: tuple[float, float]) -> Tensor:
        codes = super().codes(inputs, limits)
        times = -(-SMALLEST // max(self.height, self.width))
        return torch.repeat_interleave(codes.repeat_interleave(times, 1), times, 2)
