"""What modules give, as units; and how it is read on its way through a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

from torch import Tensor, nn

# Modules whose units are along the last axis, positions (time, tokens) before it; those of all
# others are along the first axis after the batch.
UNITS_LAST = (nn.Linear, nn.Bilinear, nn.Embedding, nn.RNNBase, nn.MultiheadAttention)

# Name, module and output; what it returns, unless None, goes on in the output's place.
Reader = Callable[[str, nn.Module, object], object]


@contextmanager
def hooked(modules: Mapping[str, nn.Module], read: Reader) -> Iterator[None]:
    """Meanwhile, `read` is called with whatever each of `modules` gives, under its name.

    Nothing is left behind on a network that others share, also where it fails.
    """
    with ExitStack() as hooks:
        for name, module in modules.items():
            hooks.enter_context(module.register_forward_hook(partial(_told, read, name)))
        yield


def _told(read: Reader, name: str, module: nn.Module, _inputs: object, output: object) -> object:
    return read(name, module, output)


def by_unit(module: nn.Module, output: object) -> Tensor:
    """The output of `module` as [n, units, *positions]; of several tensors, the first.

    A single number for each input is one unit. Raises `TypeError` where there is no tensor.
    """
    values = first_tensor(output)
    if values is None:
        raise TypeError(f"{type(module).__name__} gives {type(output).__name__}, not a tensor")
    if values.dim() == 1:
        return values.unsqueeze(1)
    return values.movedim(-1, 1) if values.dim() > 2 and _units_last(module) else values


def _units_last(module: nn.Module) -> bool:
    found = class_of(module)
    # Of subclasses of layer norms there are such that put the channels first.
    return found is nn.LayerNorm or issubclass(found, UNITS_LAST)


def class_of(module: nn.Module) -> type[nn.Module]:
    """Its class; of a module of an exported program the class of PyTorch's that it was."""
    said = getattr(module, "type_name", None)
    place, _, name = str(said() if callable(said) else None).rpartition(".")
    found = getattr(nn, name, None) if place.startswith("torch.nn.modules.") else None
    return found if isinstance(found, type) and issubclass(found, nn.Module) else type(module)


def first_tensor(output: object) -> Tensor | None:
    """Of what a module gives the tensor that counts."""
    return next(tensors_of(output), None)


def tensors_of(output: object) -> Iterator[Tensor]:
    """All tensors of what a module gives, in the order in which it gives them."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, dict):
        yield from tensors_of(tuple(output.values()))
    elif isinstance(output, tuple | list):
        for part in output:
            yield from tensors_of(part)
