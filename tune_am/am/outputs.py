"""What a module gives, as units."""

from __future__ import annotations

from torch import Tensor, nn

# Modules whose units are along the last axis, positions (time, tokens) before it; those of all
# others are along the first axis after the batch.
UNITS_LAST = (nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)


def by_unit(module: nn.Module, output: object) -> Tensor:
    """The output of `module` as [n, units, *positions]; of several tensors, the first.

    A single number for each input is one unit.
    """
    values = first_tensor(output)
    if values is None:
        raise TypeError(f"{type(module).__name__} gives {type(output).__name__}, not a tensor")
    if values.dim() == 1:
        return values.unsqueeze(1)
    return values.movedim(-1, 1) if values.dim() > 2 and _units_last(module) else values


def _units_last(module: nn.Module) -> bool:
    kind = kind_of(module)
    # Of subclasses of layer norms there are such that put the channels first.
    return kind is nn.LayerNorm or issubclass(kind, UNITS_LAST)


def kind_of(module: nn.Module) -> type[nn.Module]:
    """Its class; of a module of an exported program the class of PyTorch's that it was."""
    said = getattr(module, "type_name", None)
    place, _, name = str(said() if callable(said) else None).rpartition(".")
    found = getattr(nn, name, None) if place.startswith("torch.nn.modules.") else None
    return found if isinstance(found, type) and issubclass(found, nn.Module) else type(module)


def first_tensor(output: object) -> Tensor | None:
    """Of what a module gives the tensor that counts."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output
    if not isinstance(parts, tuple | list | type({}.values())):
        return None
    return next((found for part in parts if (found := first_tensor(part)) is not None), None)
