"""Which unit of the classifier is asked about, and how its activation is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

from tune_am.errors import UserError
from tune_am.packs.device import default_chunk
from tune_am.packs.outputs import by_unit, hooked
from tune_am.packs.units import DIRECTION, is_unit


@dataclass(frozen=True)
class Neuron:
    """One unit of one layer, or a direction in it; `name` is what the user called it.

    `weights` is None for a unit. A direction has one for each unit of the layer, of length 1, and
    no unit (-1): its activation is the sum of the units' activations, each times its weight.
    """

    layer: str
    unit: int
    name: str
    weights: tuple[float, ...] | None = None

    @classmethod
    def parse(cls, text: str, aliases: Mapping[str, str], layers: Mapping[str, int]) -> Neuron:
        """The neuron that `text` names: an alias ("vocal"), a unit or a direction of a layer.

        A unit is "fc8:12"; of a convolution it is a channel, and its activation the mean over the
        positions. A direction is "fc8:@file.npy": a vector [units], scaled to length 1 here.
        `aliases` maps names to "layer:unit", `layers` maps each layer to its number of units.
        Raises `UserError`, one line, when there is no such neuron.
        """
        meant = aliases.get(text, text)
        layer, at, file = meant.partition(DIRECTION)
        if at and layer in layers:
            if not file:
                raise UserError(f"{text} names no file: write {layer}:@direction.npy")
            return cls(layer, -1, shown(text), _direction(Path(file), layer, layers[layer]))
        layer, _, unit = meant.rpartition(":")  # the name of a layer may have a colon
        if layer in layers and is_unit(unit) and int(unit) < layers[layer]:
            return cls(layer, int(unit), text)
        if layer in layers:
            raise UserError(f"no neuron {text!r}: {layer} has the units 0 to {layers[layer] - 1}")
        sizes = ", ".join(f"{name} (0 to {units - 1})" for name, units in layers.items())
        named = f"{', '.join(aliases)}, and " if aliases else ""
        raise UserError(f"no neuron {text!r}; there are {named}LAYER:UNIT of the layers {sizes}")

    @property
    def place(self) -> str:
        """Where it is, whatever it is called: "fc8:12", "fc8:@file.npy"."""
        return self.name if self.weights else f"{self.layer}:{self.unit}"

    def scaled(self, factor: float, units: int) -> Neuron:
        """The neuron with its activation times `factor`; its layer has so many units."""
        weights = self.weights or tuple(float(unit == self.unit) for unit in range(units))
        return replace(self, unit=-1, weights=tuple(factor * weight for weight in weights))

    def read(self, activations: Tensor) -> Tensor:
        """Its activations [n], out of those of its layer, [n, units]."""
        if self.weights is None:
            return activations[:, self.unit]
        return activations @ torch.tensor(
            self.weights, dtype=activations.dtype, device=activations.device
        )


def shown(text: str) -> str:
    """The neuron `text` without the folder of its direction's file, if it has one, and without the
    comma of a campaign of one."""
    layer, at, file = text.removesuffix(",").partition(DIRECTION)
    return f"{layer}{at}{Path(file).name}" if at else layer


def direction_file(text: str) -> Path | None:
    """The file of a direction; None for a unit."""
    _, at, file = text.partition(DIRECTION)
    return Path(file) if at else None


def beside(text: str, folder: Path) -> str:
    """The neuron `text` with its direction's file, if it has one, read from `folder`."""
    layer, at, file = text.partition(DIRECTION)
    return f"{layer}{at}{folder / Path(file).name}" if at else text


def _direction(path: Path, layer: str, units: int) -> tuple[float, ...]:
    """The vector in `path`, scaled to length 1."""
    what = f"direction {path}"
    try:
        vector = np.load(path, allow_pickle=False)
    except OSError as error:
        raise UserError(f"cannot read {what}: {error.strerror or error}") from None
    except (ValueError, EOFError, BadZipFile, MemoryError):  # a header may ask for any size
        raise UserError(f"{what} is no .npy file: write a vector by numpy.save") from None
    if not isinstance(vector, np.ndarray):
        raise UserError(f"{what} is an archive: write one vector by numpy.save")
    if vector.shape != (units,):
        raise UserError(f"{what} has the shape {list(vector.shape)}; {layer} needs [{units}]")
    if vector.dtype.kind not in "fiu":
        raise UserError(f"{what} is of {vector.dtype}; it needs real numbers")
    vector = vector.astype(np.float64)
    if not np.isfinite(vector).all():
        raise UserError(f"{what} holds NaN or infinity")
    largest = float(np.abs(vector).max())
    if largest == 0:
        raise UserError(f"{what} is all zero: it points nowhere")
    vector = vector / largest  # or the squares of huge numbers overflow
    return tuple((vector / np.linalg.norm(vector)).tolist())


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

        def read(layer: str, module: nn.Module, output: object) -> None:
            seen[layer] = per_unit(by_unit(module, output))

        with hooked(self._modules, read):
            self._network(x.clone())  # others read `x` too, and a network may change its input
        return {layer: seen[layer] for layer in self._modules}


def per_unit(output: Tensor) -> Tensor:
    """A module's output [n, units, *positions] as [n, units], float32: positions averaged.

    Always a tensor of its own: an activation function that works in place comes after the hook.
    """
    values = output.float()  # under autocast it is of fewer bits
    return values.flatten(2).mean(2) if values.dim() > 2 else values.clone()


@torch.no_grad()
def read_activations(
    network: nn.Module, layers: Sequence[str], x: Tensor, chunk: int | None = None
) -> dict[str, Tensor]:
    """`Tap` over `x: [n, *input_shape]` in chunks, without gradients: layer -> [n, units]."""
    tap = Tap(network, layers)
    parts = [tap(part) for part in x.split(chunk or default_chunk(x.device, len(x)))]
    return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}
