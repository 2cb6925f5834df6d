"""How a log-mel excerpt is drawn and sounded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from tune_am.errors import UserError
from tune_am.report.renderer import Axis, Renderer
from tune_am.vocal.melspec import BANDS, FRAMES_PER_SECOND, LOG_FLOOR, TICKS_HZ, mel_position

TICKS_SECONDS = (0.0, 0.5, 1.0, 1.5)

# Shares of all values that lie beyond the ends of the colour scale. Digital silence is not counted:
# the way from there to the softest sound would take half of the scale.
DARKEST, BRIGHTEST = 0.01, 0.998


class LogMel(Renderer):
    """Time from left to right, frequency upwards on mel spacing, louder is brighter."""

    scale = "log magnitude, nats"
    suffix = ".flac"
    heard = "Sounds are worked back from the pictures, those of real excerpts too."
    note = (
        "A log-mel spectrogram has no phase and stops at its highest band. Sounds are estimates "
        "from it, for real excerpts too: compare them with each other, not with recordings."
    )

    def __init__(self, shape: Sequence[int]) -> None:
        if len(shape) != 2 or shape[0] != BANDS:
            raise UserError(
                f"log-mel inputs of shape {list(shape)} cannot be drawn: they have {BANDS} bands"
            )
        super().__init__(shape)
        self.colours = "magma"
        self.x = Axis("time, s", self._times())
        self.y = Axis("frequency, Hz", tuple((mel_position(hz), _hertz(hz)) for hz in TICKS_HZ))

    def limits(self, inputs: Tensor) -> tuple[float, float]:
        # `torch.quantile` refuses more than 2^24 values: every other one says as much.
        values = inputs.flatten()[:: 1 + inputs.numel() // 2**23].float()
        sounding = values[values > LOG_FLOOR + 0.5]
        if len(sounding) == 0:
            return LOG_FLOOR, 0.0
        low, high = torch.quantile(sounding, torch.tensor([DARKEST, BRIGHTEST])).tolist()
        return low, high

    def codes(self, inputs: Tensor, limits: tuple[float, float]) -> Tensor:
        return super().codes(inputs, limits).flip(1)  # bands count from the bottom

    def write_sounds(self, inputs: Tensor, paths: Sequence[Path]) -> None:
        from tune_am.vocal.sound import to_audio, write_audio

        for path, samples in zip(paths, to_audio(inputs), strict=True):
            write_audio(path, samples)

    def _times(self) -> tuple[tuple[float, str], ...]:
        length = self.width / FRAMES_PER_SECOND
        return tuple((t / length, f"{t:g}") for t in TICKS_SECONDS if t <= length)


def _hertz(frequency: float) -> str:
    return f"{frequency / 1000:g}k" if frequency >= 1000 else f"{frequency:g}"
