"""Weights that a network computes from others, as spectral normalisation does."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

from torch import Tensor, nn
from torch.nn.utils import parametrize, remove_spectral_norm
from torch.nn.utils.spectral_norm import SpectralNorm


def with_plain_weights(network: nn.Module) -> nn.Module:
    """`network`, or a copy that computes the same with the weights that it uses as parameters.

    What spectral normalisation keeps beside a weight, to estimate its norm, is of that weight
    alone: of another drawn in its place it would give any norm.
    """
    if not any(map(_reparametrised, network.modules())):
        return network
    # What was computed with a gradient has no copy.
    computed = [t for module in network.modules() for t in vars(module).values() if _computed(t)]
    copy = deepcopy(network, {id(tensor): tensor.detach().clone() for tensor in computed}).eval()
    for module in list(copy.modules()):
        if parametrize.is_parametrized(module):
            _bake(module)
        for name in _normalised(module):
            remove_spectral_norm(module, name)
    return copy


def _bake(module: nn.Module) -> None:
    """As `parametrize.remove_parametrizations`, which spoils all modules of that class, copies of
    one, at once."""
    names = list(cast(nn.ModuleDict, module.parametrizations))
    values = {name: getattr(module, name).detach().clone() for name in names}
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module.parametrizations
    for name, value in values.items():
        module.register_parameter(name, nn.Parameter(value))


def _computed(value: object) -> bool:
    return isinstance(value, Tensor) and value.grad_fn is not None


def _reparametrised(module: nn.Module) -> bool:
    return parametrize.is_parametrized(module) or bool(_normalised(module))


def _normalised(module: nn.Module) -> list[str]:
    """The weights under `torch.nn.utils.spectral_norm`, which is no parametrisation."""
    hooks = module._forward_pre_hooks.values()
    return [hook.name for hook in hooks if isinstance(hook, SpectralNorm)]
