"""A user's real inputs, read once: activations of every layer, statistics, excerpts to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset

from tune_am.errors import UserError, reason
from tune_am.packs.device import device_of
from tune_am.packs.neuron import Neuron, Tap
from tune_am.packs.statistics import InputStatistics, Moments

_BATCH = 64

# Kept to be shown, for each neuron: those that excite it most and those that excite it least.
SHOWN = 8


# Inputs that the networks are tried with: different ones, wherever real data are.
EXAMPLES = 3


class RealData:
    """Batches [b, *input_shape], float32, from a tensor or anything that yields batches.

    Of a batch with labels the first element counts. example: the first few inputs, by which the
    networks are tried. shape: that of an input.
    Raises `UserError` that names the shape or type that does not fit, also while it is read.
    """

    def __init__(self, data: Tensor | Iterable[Any]) -> None:
        self._batches = _batches(data)
        self._first: list[Any] = []
        seen: list[Tensor] = []
        while sum(map(len, seen)) < EXAMPLES and (batch := next(self._batches, None)) is not None:
            seen.append(_checked(batch, tuple(seen[0].shape[1:]) if seen else None))
            self._first.append(batch)
        if not seen:
            raise UserError("real_data is empty")
        self.example = torch.cat(seen)[:EXAMPLES]
        self.shape = tuple(self.example.shape[1:])

    def __iter__(self) -> Iterator[Tensor]:
        for batch in chain(self._first, self._batches):
            yield _checked(batch, self.shape)


def _batches(data: object) -> Iterator[Any]:
    if isinstance(data, Tensor) and data.dim() > 0:
        _expect_numbers(data)
        return iter(data.split(_BATCH))
    # A loader may be iterable by its items alone, as a sequence is.
    if isinstance(data, Tensor) or not (isinstance(data, Iterable) or hasattr(data, "__getitem__")):
        what = "a single number" if isinstance(data, Tensor) else type(data).__name__
        raise UserError(
            f"real_data is {what}: it must be a tensor [n, *input_shape], or give batches of such"
        )
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset):
        # Its items are single inputs, whose first axis would be read as a batch's.
        raise UserError(
            f"real_data is a {type(data).__name__}: give DataLoader(dataset, batch_size={_BATCH}), "
            "which makes batches of its items"
        )
    return _read(data)


def _read(data: Any) -> Iterator[Any]:
    """Its batches; `UserError` where it fails to give one."""
    try:
        yield from iter(data)
    except Exception as error:  # whatever a user's data raise
        raise UserError(f"real_data cannot be read: {reason(error, kind=True)}") from error


def _expect_numbers(values: Tensor) -> None:
    """`UserError` for a tensor that does not hold a number at each place."""
    if values.layout is not torch.strided:
        kind = str(values.layout).removeprefix("torch.")
        raise UserError(f"real_data is {kind}: it must be dense, as x.to_dense() is")
    if values.is_meta:
        raise UserError("real_data is on the meta device, without numbers: load it on the cpu")


def _checked(batch: Any, shape: tuple[int, ...] | None) -> Tensor:
    values = batch[0] if isinstance(batch, list | tuple) and batch else batch
    if not isinstance(values, Tensor):
        raise UserError(f"real_data gives {type(values).__name__}: it must give tensors [n, ...]")
    _expect_numbers(values)
    if values.dtype != torch.float32:
        kind = str(values.dtype).removeprefix("torch.")
        raise UserError(
            f"real_data is {kind}, float32 is needed: convert it, bytes for example by "
            "x.float() / 255"
        )
    if values.dim() < 2 or len(values) == 0:
        raise UserError(
            f"real_data gives a batch of shape {list(values.shape)}: it must be [n, *input_shape]"
        )
    if shape is not None and tuple(values.shape[1:]) != shape:
        raise UserError(
            f"real_data gives inputs of shape {list(values.shape[1:])} after such of {list(shape)}"
        )
    if not torch.isfinite(values).all():
        raise UserError("real_data holds a non-finite value")
    return values


class Reading(NamedTuple):
    """What one pass over real data comes to."""

    activations: dict[str, Tensor]  # layer -> [inputs, units]
    shown: Tensor  # [n, *input_shape]; empty where no neuron is to be shown
    statistics: InputStatistics


@torch.no_grad()
def read(
    data: RealData, network: nn.Module, layers: Sequence[str], shown: Sequence[Neuron]
) -> Reading:
    """Activations of `layers`, the inputs that are extreme for one of `shown`, and statistics.

    Raises `UserError` that names the input and the layer where an activation is not finite.
    """
    tap, device = Tap(network, layers), device_of(network)
    moments, extremes, count = Moments(), _Extremes(shown), 0
    parts: list[dict[str, Tensor]] = []
    for batch in data:
        found = {layer: values.cpu() for layer, values in tap(batch.to(device)).items()}
        _expect_finite(found, count)
        parts.append(found)
        moments.add(batch)
        extremes.add(batch, found)
        count += len(batch)
    activations = {layer: torch.cat([part[layer] for part in parts]) for layer in layers}
    return Reading(activations, extremes.inputs(), moments.statistics())


def _expect_finite(found: dict[str, Tensor], before: int) -> None:
    """found: layer -> [b, units], of inputs after the first `before`."""
    for layer, values in found.items():
        if not (finite := torch.isfinite(values).all(1)).all():
            place = before + int(finite.int().argmin())
            raise UserError(
                f"the classifier's layer {layer!r} is NaN or infinite for input {place} of "
                "real_data, counted from 0: leave that out, or look at the network"
            )


class _Extremes:
    """The inputs that excite any of `neurons` most and least, as they come by."""

    def __init__(self, neurons: Sequence[Neuron]) -> None:
        # Values and places, the most extreme first; equal ones in the order in which they came.
        self._leaders: dict[tuple[Neuron, int], list[tuple[float, int]]] = {
            (neuron, sign): [] for neuron in neurons for sign in (1, -1)
        }
        self._kept: dict[int, Tensor] = {}
        self._count = 0

    def add(self, batch: Tensor, found: dict[str, Tensor]) -> None:
        """`batch: [b, *input_shape]`; found: layer -> [b, units]."""
        before = self._count
        self._count += len(batch)
        for (neuron, sign), leaders in self._leaders.items():
            values = sign * found[neuron.layer][:, neuron.unit]
            leaders += [(value, before + i) for i, value in enumerate(values.tolist())]
            leaders.sort(key=lambda pair: (-pair[0], pair[1]))
            del leaders[SHOWN:]
        wanted = {place for leaders in self._leaders.values() for _, place in leaders}
        kept = {place: x for place, x in self._kept.items() if place in wanted}
        fresh = {place: batch[place - before].cpu().clone() for place in wanted if place >= before}
        self._kept = {**kept, **fresh}

    def inputs(self) -> Tensor:
        """[n, *input_shape], in the order in which they came."""
        inputs = [self._kept[place] for place in sorted(self._kept)]
        return torch.stack(inputs) if inputs else torch.empty(0)
