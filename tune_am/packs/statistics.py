"""What real inputs are like: mean and covariance of their channels, and their range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from tune_am.errors import UserError
from tune_am.packs.stored import load_tensors, save_tensors

Bounds = tuple[float | None, float | None]  # the lowest and highest value of an input, if known


@dataclass(frozen=True, eq=False)
class InputStatistics:
    """Statistics over examples and positions, by the input's first axis: its channels.

    Of a picture [C, H, W] these are the colours, of a spectrogram [bands, frames] the bands.
    mean: [C]. covariance: [C, C]; of long vectors, of which it would be huge and no prior needs it,
    the variances alone: [C]. low, high: the lowest and highest value that an input may have.
    """

    shape: tuple[int, ...]
    mean: Tensor
    covariance: Tensor
    low: float
    high: float

    @property
    def std(self) -> Tensor:
        """Standard deviation [C]."""
        full = self.covariance.dim() > 1
        variances = self.covariance.diagonal() if full else self.covariance
        return variances.clamp_min(0).sqrt()

    @classmethod
    def of(cls, inputs: Tensor, bounds: Bounds = (None, None)) -> InputStatistics:
        """Those of `inputs: [n, *input_shape]`; bounds that are not known are those they have."""
        moments = Moments()
        moments.add(inputs)
        return moments.statistics().within(bounds)

    def within(self, bounds: Bounds) -> InputStatistics:
        """The same for inputs within `bounds`, of which those that are not known stay."""
        low, high = bounds
        low, high = (self.low if low is None else low, self.high if high is None else high)
        return replace(self, low=float(low), high=float(high))


# Their covariance is a square: more channels than this are no channels, but features of a vector.
_MOST_CHANNELS = 2048


def _covariance_shape(shape: Sequence[int]) -> list[int]:
    """That of the covariance of inputs of `shape`. Raises `UserError` for too many channels."""
    channels = shape[0]
    if channels <= _MOST_CHANNELS:
        return [channels, channels]
    if len(shape) == 1:
        return [channels]
    raise UserError(
        f"inputs of shape {list(shape)} have {channels} channels, at most {_MOST_CHANNELS} are "
        "allowed: a signal of one channel has the shape [1, samples]"
    )


class Moments:
    """Statistics of inputs that come in batches."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] | None = None
        self._count = 0

    def add(self, batch: Tensor) -> None:
        """Count in `batch: [b, *input_shape]`."""
        squares = _covariance_shape(batch.shape[1:])
        values = batch.detach().double().cpu()
        rows = values.flatten(2) if values.dim() > 2 else values.unsqueeze(2)
        rows = rows.transpose(0, 1).flatten(1)  # [C, b * positions]
        if self._shape is None:
            self._shape = tuple(batch.shape[1:])
            # Sums about the first batch's mean keep their digits.
            self._origin = rows.mean(1, keepdim=True)
            self._sum = torch.zeros(len(rows), dtype=torch.float64)
            self._products = torch.zeros(squares, dtype=torch.float64)
            self._low, self._high = torch.inf, -torch.inf
        rows = rows - self._origin
        self._count += rows.shape[1]
        self._sum += rows.sum(1)
        full = self._products.dim() > 1
        self._products += rows @ rows.T if full else rows.square().sum(1)
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))

    def statistics(self) -> InputStatistics:
        """The statistics of all batches, of which there must be one."""
        assert self._shape is not None, "statistics of no inputs"
        offset = self._sum / self._count
        full = self._products.dim() > 1
        squares = torch.outer(offset, offset) if full else offset.square()
        return InputStatistics(
            shape=self._shape,
            mean=self._origin[:, 0] + offset,
            covariance=self._products / self._count - squares,
            low=self._low,
            high=self._high,
        )


def save_statistics(statistics: InputStatistics, path: Path) -> None:
    """Write mean, covariance and range as safetensors."""
    bounds = torch.tensor([statistics.low, statistics.high], dtype=torch.float64)
    moments = {"mean": statistics.mean, "covariance": statistics.covariance}
    save_tensors({**moments, "range": bounds}, path)


def load_statistics(path: Path, shape: tuple[int, ...], bounds: Bounds) -> InputStatistics:
    """The statistics of inputs of `shape`; `bounds` go before the range that the file has."""
    tensors = load_tensors(path)
    promised = {"mean": [shape[0]], "covariance": _covariance_shape(shape), "range": [2]}
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if found != promised:
        raise UserError(f"{path}: holds {found}, inputs of shape {list(shape)} need {promised}")
    low, high = tensors["range"].tolist()
    stored = InputStatistics(shape, tensors["mean"], tensors["covariance"], low, high)
    return stored.within(bounds)
