"""How a signal of one channel is drawn, and sounded where it is audio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import soundfile
import torch
from torch import Tensor

from tune_am.errors import UserError
from tune_am.report.renderer import Axis, Renderer, is_line

HEIGHT, WIDTH = 128, 256  # pixels of a picture, however long the signal

PEAK = 0.9  # of full scale, to which a sound is brought: no player clips, the quiet are heard too


class Curve(Renderer):
    """Samples from left to right, values upwards; of those that share a column of pixels the whole
    span.

    With a `sample_rate` (Hz) in the entry "input" of pack.json, the axis is time and inputs sound.
    """

    scale = "value"
    note = "Signals are drawn as curves, all on one scale."

    def __init__(self, shape: Sequence[int]) -> None:
        if not is_line(shape):
            raise UserError(
                f"inputs of shape {list(shape)} cannot be drawn as curves: allowed are [samples] "
                "and [1, samples]"
            )
        self.colours = None  # a pixel's height is the value, not its colour
        self.samples = shape[-1]
        self.height, self.width = HEIGHT, WIDTH
        self.x, self.y = Axis("sample"), Axis(self.scale)
        self._rate = 0

    def describe(self, entry: Mapping[str, Any]) -> None:
        self.said = tuple(entry.get("range", self.said))
        self.y = Axis(str(entry.get("units", self.scale)))
        if rate := entry.get("sample_rate"):
            self._rate, self.suffix = int(rate), ".wav"
            ends = (0.0, "0"), (1.0, f"{self.samples / self._rate:.3g}")
            self.x = Axis("time, s", ends)
            self.heard = "Sounds are brought to one loudness."

    def codes(self, inputs: Tensor, limits: tuple[float, float]) -> Tensor:
        low, high = limits
        lines = inputs.flatten(1)
        # The span of each column reaches into the next, so that a steep curve is not torn apart.
        edges = torch.linspace(0, self.samples, WIDTH + 1).long().clamp(max=self.samples - 1)
        spans = [lines[:, a : b + 1] for a, b in pairwise(edges)]
        bottom = torch.stack([span.amin(1) for span in spans], 1)
        top = torch.stack([span.amax(1) for span in spans], 1)
        rows = [
            (HEIGHT - 1) * (1 - ((ends - low) / max(high - low, 1e-12)).clamp(0, 1))
            for ends in (top, bottom)
        ]
        first, last = (ends.round().unsqueeze(1) for ends in rows)  # [n, 1, WIDTH]
        pixel = torch.arange(HEIGHT).view(1, -1, 1)
        drawn = (pixel >= first) & (pixel <= last)
        return torch.where(drawn, 0, 255).to(torch.uint8).unsqueeze(-1).expand(-1, -1, -1, 3)

    def write_sounds(self, inputs: Tensor, paths: Sequence[Path]) -> None:
        for path, samples in zip(paths, inputs.flatten(1), strict=True):
            loudest = samples.abs().max().clamp_min(1e-9)
            soundfile.write(path, (PEAK * samples / loudest).numpy(), self._rate)
