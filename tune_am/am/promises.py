"""Whether the files of a pack are what pack.json promises."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from tune_am.am.manifest import FILE, Manifest
from tune_am.am.neuron import Neuron, Tap
from tune_am.am.prior import Prior
from tune_am.errors import UserError, reason


@torch.no_grad()
def check_shapes(
    folder: Path,
    manifest: Manifest,
    classifier: nn.Module,
    prior: Prior,
    reference: dict[str, Tensor],
) -> None:
    """One pass from latent to layers: every shape is the one that pack.json promises."""
    path = folder / FILE

    def expect(what: str, found: object, promised: object) -> None:
        if found != promised:
            raise UserError(f"{path}: promises {what} {promised}, the files give {found}")

    expect("the latent shape", list(prior.latent_shape), list(manifest.latent))
    try:
        inputs = prior(torch.zeros(2, *prior.latent_shape))
        expect("the input shape", list(inputs.shape[1:]), list(manifest.input_shape))
        layers = Tap(classifier, list(manifest.layers))(inputs)
    except (RuntimeError, AttributeError) as error:
        said = reason(error)
        raise UserError(f"{path}: its networks do not run as described: {said}") from None
    for name, units in manifest.layers.items():
        expect(f"the units of {name}", layers[name].shape[1], units)
        found = list(reference[name].shape) if name in reference else None
        expect(f"a reference of {name}", found, [manifest.excerpts, units])
    for alias, unit in manifest.neurons.items():
        try:
            Neuron.parse(unit, {}, manifest.layers)
        except UserError as error:
            raise UserError(f"{path}: the neuron {alias!r} is wrong: {error}") from None
