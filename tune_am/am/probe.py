"""Which layers a network has, found by running it once."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import torch
from torch import Tensor, nn

from tune_am.am.outputs import by_unit
from tune_am.errors import UserError


@torch.no_grad()
def units_of(network: nn.Module, example: Tensor) -> dict[str, int]:
    """Every module whose output can be read as units -> how many, in the order in which they run.

    example: [n, *input_shape], n at least 2. Left out is what runs more than once, whose output
    would be ambiguous, and what does not keep the batch on the first axis.
    """
    seen: dict[str, list[Tensor | None]] = {}

    def reader(name: str):  # type: ignore[no-untyped-def]
        def read(module: nn.Module, _inputs: object, output: object) -> None:
            try:
                values = by_unit(module, output)
            except TypeError:
                return
            batch_first = values.is_floating_point() and len(values) == len(example)
            seen.setdefault(name, []).append(values if batch_first else None)

        return read

    hooks = [module.register_forward_hook(reader(name)) for name, module in network.named_modules()]
    try:
        network(example.clone())
    finally:
        for hook in hooks:
            hook.remove()
    once = {name: values[0] for name, values in seen.items() if name and len(values) == 1}
    return {name: values.shape[1] for name, values in once.items() if values is not None}


def chosen_layers(
    network: nn.Module, units: dict[str, int], asked: Sequence[str] | None
) -> dict[str, int]:
    """The layers `asked` for, in the order in which they run; by default all that hold a matrix.

    units: from `units_of`. Raises `UserError` that names a layer which cannot be read.
    """
    if asked is None:
        found = {name: n for name, n in units.items() if _has_matrix(network.get_submodule(name))}
        if not found:
            raise UserError(
                f"{type(network).__name__} has no layers with weights of their own; name some of "
                f"its modules as layers: {', '.join(list(units)[:8]) or 'none can be read'}"
            )
        return found
    names = {name for name, _ in network.named_modules() if name}
    for name in asked:
        if name not in names:
            close = ", ".join(get_close_matches(name, units, 3) or list(units)[:8])
            raise UserError(f"the classifier has no layer {name!r}; there are {close}")
        if name not in units:
            raise UserError(
                f"the layer {name!r} cannot be read: it runs not exactly once for an input, or "
                "gives no floating-point tensor with the batch on the first axis"
            )
    return {name: n for name, n in units.items() if name in set(asked)}


def _has_matrix(module: nn.Module) -> bool:
    return any(weight.dim() > 1 for weight in module.parameters(recurse=False))
