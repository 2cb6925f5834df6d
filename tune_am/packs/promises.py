"""Whether the files of a pack are what pack.json promises."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from tune_am.errors import UserError, reason
from tune_am.packs.manifest import FILE, Manifest
from tune_am.packs.neuron import Neuron, Tap
from tune_am.packs.prior import Prior
from tune_am.packs.reference import GROUPS


@torch.no_grad()
def check_shapes(
    folder: Path,
    manifest: Manifest,
    classifier: nn.Module,
    prior: Prior,
    reference: dict[str, Tensor],
) -> None:
    """One pass from starts to layers: every shape is the one that pack.json promises, every number
    finite. Raises `UserError`."""
    path = folder / FILE

    def expect(what: str, found: object, promised: object) -> None:
        if found != promised:
            raise UserError(f"{path}: promises {what} {promised}, the files give {found}")

    expect("the latent shape", list(prior.latent_shape), list(manifest.latent))
    try:
        inputs = prior(prior.sample(2, torch.Generator().manual_seed(0)))
        expect("the input shape", list(inputs.shape[1:]), list(manifest.input_shape))
        layers = Tap(classifier, list(manifest.layers))(inputs)
    except UserError:
        raise
    except Exception as error:  # whatever networks raise
        said = reason(error, kind=True)
        raise UserError(f"{path}: its networks do not run as described: {said}") from None
    _expect_finite(folder / manifest.prior.weights, "an input of the prior", inputs)
    if torch.equal(inputs[0], inputs[1]):  # as where a clamp hides that a weight is infinite
        raise UserError(
            f"{folder / manifest.prior.weights}: the prior makes the same input of every start; "
            "get or train a sound pack"
        )
    for name, units in manifest.layers.items():
        _expect_finite(folder / manifest.classifier.weights, f"the layer {name}", layers[name])
        expect(f"the units of {name}", layers[name].shape[1], units)
        found = list(reference[name].shape) if name in reference else None
        expect(f"a reference of {name}", found, [manifest.excerpts, units])
    if (groups := reference.get(GROUPS)) is not None:
        expect("groups for a reference of", list(groups.shape), [manifest.excerpts])
        if groups.is_floating_point():
            raise UserError(
                f"{folder / manifest.reference}: its groups are {groups.dtype}, no integers; get "
                "the pack again"
            )
    for alias, unit in manifest.neurons.items():
        try:
            Neuron.parse(unit, {}, manifest.layers)
        except UserError as error:
            raise UserError(f"{path}: the neuron {alias!r} is wrong: {error}") from None


def _expect_finite(path: Path, what: str, values: Tensor) -> None:
    """Weights may be infinite, as masks are; what is computed with them may not."""
    if not torch.isfinite(values).all():
        raise UserError(f"{path}: {what} holds a non-finite value; get or train a sound pack")
