"""A user's real inputs, read once: activations of every layer, statistics, excerpts to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.am.neuron import Neuron, Tap
from tune_am.am.statistics import Moments
from tune_am.errors import UserError

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
        batches = data.split(_BATCH) if isinstance(data, Tensor) else data
        self._batches = iter(batches)
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


def _checked(batch: Any, shape: tuple[int, ...] | None) -> Tensor:
    values = batch[0] if isinstance(batch, list | tuple) else batch
    if not isinstance(values, Tensor):
        raise UserError(f"real_data gives {type(values).__name__}: it must give tensors [n, ...]")
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


class Reading:
    """What one pass over real data comes to. activations: layer -> [excerpts, units]."""

    def __init__(self, classifier: nn.Module, layers: Sequence[str]) -> None:
        self._tap, self._layers = Tap(classifier, layers), layers
        self._parts: list[dict[str, Tensor]] = []
        self.moments = Moments()

    @torch.no_grad()
    def read(
        self, data: RealData, device: torch.device, shown: Sequence[Neuron]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Activations and the inputs [n, *input_shape] that are extreme for one of `shown`."""
        best: dict[tuple[Neuron, int], list[tuple[float, int]]] = {
            (neuron, sign): [] for neuron in shown for sign in (1, -1)
        }
        kept: dict[int, Tensor] = {}
        count = 0
        for batch in data:
            found = {layer: values.cpu() for layer, values in self._tap(batch.to(device)).items()}
            self._parts.append(found)
            self.moments.add(batch)
            for (neuron, sign), leaders in best.items():
                values = sign * found[neuron.layer][:, neuron.unit]
                leaders += [(float(v), count + i) for i, v in enumerate(values.tolist())]
                leaders.sort(key=lambda pair: (-pair[0], pair[1]))
                del leaders[SHOWN:]
            wanted = {place for leaders in best.values() for _, place in leaders}
            fresh = {place: batch[place - count].cpu().clone() for place in wanted
                     if count <= place < count + len(batch)}  # fmt: skip
            kept = {place: x for place, x in {**kept, **fresh}.items() if place in wanted}
            count += len(batch)
        activations = {
            layer: torch.cat([part[layer] for part in self._parts]) for layer in self._layers
        }
        inputs = [kept[place] for place in sorted(kept)]
        return activations, torch.stack(inputs) if inputs else torch.empty(0)
