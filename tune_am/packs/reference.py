"""What the classifier does on real data, matched to a neuron's tail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tune_am.counting import counted
from tune_am.errors import UserError
from tune_am.packs.neuron import Neuron, Tap

# How many real excerpts a result is compared with, as published.
TAIL = 50

# The groups among the tensors of a pack's reference: no module's path begins with a dot.
GROUPS = ".groups"


@dataclass(frozen=True, eq=False)
class Target:
    """Examples of a neuron: the real ones that excite it most (or least), most extreme first, or
    those to be compared with them.

    activations: [n], of the neuron. before: [n, D], of the layer before the neuron's. groups: [n]
    integers; examples of one group are not independent of each other, as excerpts of one moment of
    a song are not. None: each is.
    """

    activations: Tensor
    before: Tensor
    groups: Tensor | None = None

    def __len__(self) -> int:
        return len(self.activations)

    def __getitem__(self, which: Tensor | slice) -> Target:
        """Those examples only."""
        groups = None if self.groups is None else self.groups[which]
        return Target(self.activations[which], self.before[which], groups)

    def copied(self) -> Target:
        groups = None if self.groups is None else self.groups.clone()
        return Target(self.activations.clone(), self.before.clone(), groups)

    @property
    def independent(self) -> Tensor:
        """[n]: the number of each example's group, from 0 on, on the CPU.

        Where leaving out one group would leave fewer than half of the examples, as of one song,
        groups say too little: each example counts by itself.
        """
        if self.groups is not None and len(self):
            numbers = self.groups.cpu().unique(return_inverse=True)[1]
            if 2 * int(numbers.bincount().max()) <= len(self):
                return numbers
        return torch.arange(len(self))


class Reference:
    """Activations of real excerpts that no network was trained on: layer -> [excerpts, units].

    The layers are in the order in which the classifier runs them. before: layer -> the one that
    feeds it, where that is not the one before it in that order. groups: [excerpts] integers, the
    same of excerpts that are not independent (`Target`). Stored values may be of any float type;
    they are read as float32.
    """

    def __init__(
        self,
        activations: Mapping[str, Tensor],
        before: Mapping[str, str] | None = None,
        groups: Tensor | None = None,
    ) -> None:
        self._before = dict(before or {})
        self.groups = groups
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
        groups = None if self.groups is None else self.groups[tail.to(self.groups.device)]
        return Target(self.of(neuron)[tail], before[tail], groups)


@torch.no_grad()
def collect(
    classifier: nn.Module, layers: Sequence[str], batches: Iterable[Tensor]
) -> dict[str, Tensor]:
    """Activations layer -> [excerpts, units] over batches [b, *input_shape], in one pass."""
    classifier.eval()
    tap = Tap(classifier, layers)
    parts = [{layer: a.cpu() for layer, a in tap(batch).items()} for batch in batches]
    return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}
