"""Which layer feeds which: that before it in the run order need not, where a network branches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from tune_am.packs.ascendable import depends
from tune_am.packs.outputs import hooked, tensors_of
from tune_am.packs.recurrent import differentiable


def layers_before(network: nn.Module, layers: Sequence[str], example: Tensor) -> dict[str, str]:
    """Each of `layers`, in run order, that the one before it does not feed -> the one that does.

    That is the latest on which its output depends; a layer that none feeds stands for itself.
    example: [n, *input_shape]. Where no gradient tells, the run order stays.
    """
    x = example.clone().requires_grad_()
    try:
        with torch.enable_grad(), _differentiable(network):
            outputs = _outputs(network, layers, x.clone())
            fed_by = {
                layer: _latest(outputs, list(layers[:place]), layer, x)
                for place, layer in enumerate(layers)
            }
    except RuntimeError:  # an operation without a gradient, or that none may pass: no error here
        return {}
    usual = {layer: layers[max(0, place - 1)] for place, layer in enumerate(layers)}
    return {
        layer: feeding for layer, feeding in fed_by.items() if feeding not in (None, usual[layer])
    }


def _latest(
    outputs: dict[str, list[Tensor]], earlier: list[str], layer: str, x: Tensor
) -> str | None:
    """The latest of `earlier` that feeds `layer`, itself if only the input does, else None."""
    for name in reversed(earlier):
        if depends(outputs[layer][0], outputs[name]):
            return name
    return layer if depends(outputs[layer][0], [x]) else None


def _outputs(network: nn.Module, layers: Sequence[str], x: Tensor) -> dict[str, list[Tensor]]:
    """The tensors that each layer gives, as it left them, on the way to all that is computed of
    them: what comes next may go by a recurrent layer's state, not by its first tensor."""
    seen: dict[str, list[Tensor]] = {}

    def read(name: str, _module: nn.Module, output: object) -> Tensor | None:
        seen[name] = list(tensors_of(output))
        # What comes next may work in place, and would make another tensor of it.
        return output.clone() if isinstance(output, Tensor) else None

    with hooked({name: network.get_submodule(name) for name in layers}, read):
        network(x)
    return seen


@contextmanager
def _differentiable(network: nn.Module) -> Iterator[None]:
    """Gradients pass meanwhile, also where the weights are frozen and the inputs looked up."""
    weights = [weight for weight in network.parameters() if weight.is_floating_point()]
    frozen = [weight for weight in weights if not weight.requires_grad]
    for weight in frozen:
        weight.requires_grad_(True)
    try:
        with differentiable(recurrent=True):
            yield
    finally:
        for weight in frozen:
            weight.requires_grad_(False)
