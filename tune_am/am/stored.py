"""Networks and tensors as a pack stores them: no pickles, no code of strangers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tune_am.am.manifest import FILE, NetworkEntry
from tune_am.errors import UserError, reason
from tune_am.naming import option


def load_network(folder: Path, entry: NetworkEntry, trust_code: bool) -> nn.Module:
    """The network of `entry` with its weights, checked, frozen and in evaluation mode."""
    path = folder / entry.weights
    factory = _factory(folder, entry.factory, trust_code)
    tensors = load_tensors(path, infinite=True)
    try:
        network = factory(**entry.config)
        network.load_state_dict(tensors)
    except (TypeError, ValueError, RuntimeError) as error:
        said = reason(error)
        raise UserError(f"{path}: does not fit {entry.factory} of {FILE}: {said}") from None
    return network.eval().requires_grad_(False)


def _factory(folder: Path, name: str, trust_code: bool) -> type[nn.Module]:
    """The network class called "module:Class"."""
    module, _, attribute = name.partition(":")
    ours = module.split(".")[0] == __name__.split(".")[0]
    if not (ours or trust_code):
        raise UserError(
            f"{folder / FILE}: the factory {name!r} is foreign code; "
            f"add {option('trust_code', True)} only if you trust whoever wrote it"
        )
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError):
        raise UserError(
            f"{folder / FILE}: the factory {name!r} cannot be imported; install what it needs"
        ) from None
    # A class of networks only, so that pack.json cannot call just any function of the package.
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise UserError(f"{folder / FILE}: the factory {name!r} is not a class of networks")
    return found


def load_tensors(path: Path, infinite: bool = False) -> dict[str, Tensor]:
    """The tensors of a safetensors file, all finite; none NaN where they may be infinite, as the
    causal mask of a network is. Raises `UserError`."""
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path}: is not safetensors ({error}); get the pack again") from None
    for name, tensor in tensors.items():
        if torch.isnan(tensor).any() or not (infinite or torch.isfinite(tensor).all()):
            raise UserError(f"{path}: {name} holds a non-finite value; get or train a sound pack")
    return tensors


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, dtype: torch.dtype | None = None
) -> None:
    """Write safetensors; floating-point ones as `dtype`, if it is given.

    Raises `UserError` that names a tensor with values beyond those of `dtype`.
    """
    stored = {}
    for name, tensor in tensors.items():
        # A copy of its own: safetensors takes no two names of one tensor, as tied weights are.
        wanted = dtype if dtype and tensor.is_floating_point() else tensor.dtype
        stored[name] = tensor.detach().to("cpu", wanted, copy=True).contiguous()
        if wanted != tensor.dtype and _overflows(tensor, stored[name]):
            raise UserError(
                f"{path.name}: {name} has values beyond those of {dtype}, at most "
                f"{torch.finfo(wanted).max:g}: choose torch.bfloat16, or leave dtype out"
            )
    save_file(stored, path)
    readable(path)


def _overflows(tensor: Tensor, cast: Tensor) -> bool:
    lost = torch.isfinite(tensor).cpu() & ~torch.isfinite(cast.float())
    return bool(lost.any())


def readable(path: Path) -> None:
    """Lets others read a file as the process's mask says; safetensors makes it the owner's."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
