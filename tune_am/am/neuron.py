"""Which unit of the classifier is asked about, and how its activation is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tune_am.am.outputs import by_unit
from tune_am.errors import UserError


@dataclass(frozen=True)
class Neuron:
    """One unit of one layer; `name` is what the user called it."""

    layer: str
    unit: int
    name: str

    @classmethod
    def parse(cls, text: str, aliases: Mapping[str, str], layers: Mapping[str, int]) -> Neuron:
        """The neuron that `text` names: an alias ("vocal") or layer and unit ("fc8:12").

        `aliases` maps names to "layer:unit", `layers` maps each layer to its number of units.
        Raises `UserError` that lists both when there is no such neuron.
        """
        layer, colon, unit = aliases.get(text, text).partition(":")
        if colon and layer in layers and unit.isdecimal() and int(unit) < layers[layer]:
            return cls(layer, int(unit), text)
        sizes = ", ".join(f"{name}:0-{units - 1}" for name, units in layers.items())
        raise UserError(f"no neuron {text!r}; there are {', '.join([*aliases, sizes])}")


def layer_before(layer: str, layers: Sequence[str]) -> str:
    """The layer that feeds `layer` in the order of `layers`; the first layer stands for itself."""
    return layers[max(0, layers.index(layer) - 1)]


class Tap:
    """Reads the outputs of named modules of a network in one forward pass.

    A unit's activation is its module's output as it leaves the module, before any nonlinearity that
    follows. A convolutional unit fires at every position: its activation is the mean over them.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str]) -> None:
        self._network = network
        self._modules = {layer: network.get_submodule(layer) for layer in layers}

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Activations of each layer, [n, units], for inputs `x: [n, *input_shape]`."""
        seen: dict[str, Tensor] = {}

        def reader(layer: str):  # type: ignore[no-untyped-def]
            def read(module: nn.Module, _inputs: object, output: object) -> None:
                seen[layer] = per_unit(by_unit(module, output))

            return read

        # Hooked for this one pass only: nothing is left behind on a network that others share.
        hooks = [
            module.register_forward_hook(reader(name)) for name, module in self._modules.items()
        ]
        try:
            self._network(x)
        finally:
            for hook in hooks:
                hook.remove()
        return {layer: seen[layer] for layer in self._modules}


def per_unit(output: Tensor) -> Tensor:
    """A module's output [n, units, *positions] as [n, units]: positions averaged.

    Always a tensor of its own: an activation function that works in place comes after the hook.
    """
    return output.flatten(2).mean(2) if output.dim() > 2 else output.clone()


@torch.no_grad()
def read_activations(
    network: nn.Module, layers: Sequence[str], x: Tensor, chunk: int
) -> dict[str, Tensor]:
    """`Tap` over `x: [n, *input_shape]` in chunks, without gradients: layer -> [n, units]."""
    tap = Tap(network, layers)
    parts = [tap(part) for part in x.split(chunk)]
    return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}
