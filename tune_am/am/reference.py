"""What the classifier does on real data, matched to a neuron's tail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tune_am.am.neuron import Neuron, Tap
from tune_am.counting import counted
from tune_am.errors import UserError

# How many real excerpts a result is compared with, as published.
TAIL = 50


class Target(NamedTuple):
    """The real excerpts that excite a neuron most (or least), most extreme first."""

    activations: Tensor  # [n], of the neuron
    before: Tensor  # [n, D], of the layer before the neuron's


class Reference:
    """Activations of real excerpts that no network was trained on: layer -> [excerpts, units].

    The layers are in the order in which the classifier runs them. before: layer -> the one that
    feeds it, where that is not the one before it in that order. Stored values may be of any float
    type; they are read as float32.
    """

    def __init__(
        self, activations: Mapping[str, Tensor], before: Mapping[str, str] | None = None
    ) -> None:
        self._before = dict(before or {})
        self.activations = {layer: values.float() for layer, values in activations.items()}
        lengths = {len(values) for values in self.activations.values()}
        if len(lengths) != 1 or any(values.dim() != 2 for values in self.activations.values()):
            raise UserError(
                "a reference holds [excerpts, units] for each layer, equally many of each"
            )
        if not all(torch.isfinite(values).all() for values in self.activations.values()):
            raise UserError("a reference holds finite activations only")

    def __len__(self) -> int:
        return len(next(iter(self.activations.values())))

    def layer_before(self, layer: str) -> str:
        """The layer that feeds `layer`; the first layer stands for itself."""
        layers = list(self.activations)
        return self._before.get(layer) or layers[max(0, layers.index(layer) - 1)]

    def of(self, neuron: Neuron) -> Tensor:
        """Activations [excerpts] of `neuron`."""
        return neuron.read(self.activations[neuron.layer])

    def tail(self, neuron: Neuron, direction: str = "max", n: int = TAIL) -> Tensor:
        """Indices [n] of the excerpts that excite `neuron` most ("max") or least ("min").

        The most extreme comes first; equal ones stay in the order of the excerpts.
        """
        if len(self) < n:
            raise UserError(f"the reference has {counted(len(self), 'excerpt')}, {n} are needed")
        return self.of(neuron).argsort(descending=direction == "max", stable=True)[:n]

    def target(self, neuron: Neuron, direction: str = "max", n: int = TAIL) -> Target:
        """What the synthesised examples of `neuron` are compared with."""
        tail = self.tail(neuron, direction, n)
        before = self.activations[self.layer_before(neuron.layer)]
        return Target(self.of(neuron)[tail], before[tail])


@torch.no_grad()
def collect(
    classifier: nn.Module, layers: Sequence[str], batches: Iterable[Tensor]
) -> dict[str, Tensor]:
    """Activations layer -> [excerpts, units] over batches [b, *input_shape], in one pass."""
    classifier.eval()
    tap = Tap(classifier, layers)
    parts = [{layer: a.cpu() for layer, a in tap(batch).items()} for batch in batches]
    return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}
