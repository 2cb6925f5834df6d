"""Networks and tensors as a pack stores them: no pickles, no code of strangers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tune_am.errors import UserError, reason
from tune_am.naming import option
from tune_am.packs.manifest import FILE, NetworkEntry


def load_network(folder: Path, entry: NetworkEntry, trust_code: bool) -> nn.Module:
    """The network of `entry` with its weights, checked, frozen and in evaluation mode."""
    path = folder / entry.weights
    if entry.foreign and not trust_code:
        raise UserError(
            f"{folder / FILE}: the factory {entry.factory!r} is foreign code; "
            f"add {option('trust_code', True)} only if you trust whoever wrote it"
        )
    factory = _factory(folder, entry.factory)
    tensors = load_tensors(path, infinite=True)
    try:
        return rebuilt(factory, entry.config, tensors)
    except (TypeError, ValueError, RuntimeError) as error:
        said = reason(error, kind=True)
        raise UserError(f"{path}: does not fit {entry.factory} of {FILE}: {said}") from None


@torch.inference_mode(False)  # tensors made in it never let a gradient pass, nor outside it
def rebuilt(
    factory: type[nn.Module], config: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> nn.Module:
    """The network that a class makes of its config, with these weights, as a pack has it."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # or a class's layers are of what somebody else chose
    try:
        network = factory(**config)
    finally:
        torch.set_default_dtype(before)
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


# Modules of this package, by the names that packs of earlier versions have for them.
_MOVED = {"tune_am.am.graph": "tune_am.packs.graph"}


def _factory(folder: Path, name: str) -> type[nn.Module]:
    """The network class called "module:Class"."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(_MOVED.get(module, module)), attribute)
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


def save_network(network: nn.Module, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write the weights of `network`, its parameters as `dtype`, if it is given.

    Buffers stay as they are: they are few, and a rounded mean shifts all that is standardised by
    it. Raises `UserError` as `save_tensors` does.
    """
    trained = [name for name, _ in network.named_parameters(remove_duplicate=False)]
    save_tensors(network.state_dict(), path, dict.fromkeys(trained, dtype))


def save_tensors(
    tensors: Mapping[str, Tensor],
    path: Path,
    dtypes: Mapping[str, torch.dtype | None] | None = None,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write safetensors, those of floating point as `dtypes` says; None: as they are.

    Others may read the file as the process's mask says; safetensors makes it the owner's. Raises
    `UserError` that names a tensor with values beyond those of its dtype.
    """
    stored = {}
    for name, tensor in tensors.items():
        # A copy of its own: safetensors takes no two names of one tensor, as tied weights are.
        asked = (dtypes or {}).get(name)
        wanted = asked if asked and tensor.is_floating_point() else tensor.dtype
        stored[name] = tensor.detach().to("cpu", wanted, copy=True).contiguous()
        if wanted != tensor.dtype and _overflows(tensor, stored[name]):
            raise UserError(
                f"{path.name}: {name} has values beyond those of {wanted}, at most "
                f"{torch.finfo(wanted).max:g}: choose torch.bfloat16, or leave dtype out"
            )
    save_file(stored, path, metadata)
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _overflows(tensor: Tensor, cast: Tensor) -> bool:
    lost = torch.isfinite(tensor).cpu() & ~torch.isfinite(cast.float())
    return bool(lost.any())
