"""Which layers a network has, found by running it once."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from tune_am.errors import UserError
from tune_am.packs.outputs import UNITS_LAST, by_unit, class_of, hooked


@torch.no_grad()
def units_of(network: nn.Module, example: Tensor) -> dict[str, tuple[int, ...]]:
    """Every module whose output can be read as units -> [units, *positions] of it, in the order in
    which they run.

    example: [n, *input_shape], n at least 3. Left out is what runs more than once, whose output
    would be ambiguous, and what does not keep the batch on the first axis.
    """
    found = _shapes(network, example)
    # Of another number of inputs: what has `n` of something else, as tokens, stays as long.
    fewer = _shapes(network, example[:-1])
    return {name: shape for name, shape in found.items() if name in fewer}


def _shapes(network: nn.Module, example: Tensor) -> dict[str, tuple[int, ...]]:
    """As `units_of`, by this number of inputs alone."""
    seen: dict[str, list[Tensor | None]] = {}

    def read(name: str, module: nn.Module, output: object) -> None:
        try:
            values = by_unit(module, output)
        except TypeError:
            return
        batch_first = values.is_floating_point() and values.shape[:1] == example.shape[:1]
        seen.setdefault(name, []).append(values if batch_first else None)

    with hooked(dict(network.named_modules()), read):
        network(example.clone())
    once = {name: values[0] for name, values in seen.items() if name and len(values) == 1}
    return {name: tuple(values.shape[1:]) for name, values in once.items() if values is not None}


def chosen_layers(
    network: nn.Module, units: dict[str, tuple[int, ...]], asked: Sequence[str] | None
) -> dict[str, int]:
    """The layers `asked` for -> units, in the order in which they run; by default all of PyTorch's
    kinds of layers with weights, and whatever else has a matrix of weights, units and nothing else.

    units: from `units_of`. Raises `UserError` that names a layer which cannot be read.
    """
    kind = type(network).__name__
    if next(network.children(), None) is None and next(network.parameters(), None) is not None:
        raise UserError(
            f"{kind} is a layer alone, which has no name: wrap it, torch.nn.Sequential(layer), and "
            "it is called 0"
        )
    if asked is None:
        found = {
            name: shape[0]
            for name, shape in units.items()
            if _is_layer(network.get_submodule(name), shape)
        }
        if not found:
            raise UserError(
                f"{kind} has no layers with weights that are sure to be read right; name some of "
                f"its modules as layers: {', '.join(list(units)[:8]) or 'none can be read'}"
            )
        return found
    names = {name for name, _ in network.named_modules() if name}
    for name in asked:
        if name not in names:
            close = get_close_matches(name, units, 3)
            some = ", ".join(list(units)[:8]) or "none"
            there = f"is {close[0]!r} meant?" if close else f"there are {some}"
            raise UserError(f"the classifier has no layer {name!r}; {there}")
        if name not in units:
            raise UserError(
                f"the layer {name!r} cannot be read: it runs not exactly once for an input, or "
                "gives no floating-point tensor with the batch on the first axis"
            )
    return {name: shape[0] for name, shape in units.items() if name in set(asked)}


def _is_layer(module: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether the axis of the units of `module`, whose output is of `shape`, is beyond doubt."""
    if issubclass(class_of(module), (*UNITS_LAST, _ConvNd)):
        return True
    has_matrix = any(weight.dim() > 1 for weight in module.parameters(recurse=False))
    return has_matrix and len(shape) == 1 and next(module.children(), None) is None
