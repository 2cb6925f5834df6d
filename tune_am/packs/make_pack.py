"""A pack of anybody's classifier and prior."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.counting import counted
from tune_am.errors import UserError, reason
from tune_am.packs.ascendable import drawn, expect_range
from tune_am.packs.device import device_of
from tune_am.packs.feeding import layers_before
from tune_am.packs.given import (
    evaluated,
    expect_read,
    given_network,
    stored_classifier,
    stored_prior,
    with_gradient,
)
from tune_am.packs.neuron import Neuron
from tune_am.packs.pack import Pack, write_pack
from tune_am.packs.pack_arguments import check_aliases, check_arguments, check_stored, grouped_as
from tune_am.packs.place import expect_place
from tune_am.packs.prior import prior_of
from tune_am.packs.probe import chosen_layers, units_of
from tune_am.packs.real_data import EXAMPLES, RealData, read
from tune_am.packs.reference import TAIL
from tune_am.packs.statistics import InputStatistics
from tune_am.packs.units import is_unit
from tune_am.packs.unlearned import UNLEARNED

# A search compares with the TAIL most exciting real excerpts, and those with the next TAIL.
FEWEST = 2 * TAIL


def make_pack(
    classifier: nn.Module | torch.export.ExportedProgram,
    prior: nn.Module | torch.export.ExportedProgram | str,
    real_data: Tensor | Iterable[Any],
    neurons: Mapping[str, str],
    out: str | Path,
    *,
    layers: Sequence[str] | None = None,
    latent: int | Sequence[int] | None = None,
    input: Mapping[str, Any] | None = None,
    name: str | None = None,
    groups: Sequence[int] | Tensor | None = None,
    credits: str | None = None,
    classifier_config: Mapping[str, Any] | None = None,
    prior_config: Mapping[str, Any] | None = None,
    about: Mapping[str, Any] | None = None,
    files: Sequence[Path] = (),
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
) -> Pack:
    """Write the pack of a classifier, a prior and real data to the folder `out`, and load it.

    classifier: any network [n, *input_shape] -> anything, or a program of `torch.export`. prior: a
    generator [n, *latent] -> [n, *input_shape] (of a GAN, a VAE's decoder, one class of a
    conditional GAN; TorchScript too, if it was traced), a `Prior`, or "raw" or "fourier" for none.
    real_data: inputs that neither was trained on, at least 100, as a float32 tensor
    [n, *input_shape] or in batches (a DataLoader's first element). neurons: alias -> "layer:unit".

    layers: names of the classifier's modules (by default PyTorch's kinds of layers with weights,
    `chosen_layers`). latent: length or shape of a generator's latent, where it has no attribute
    `latent`. input: what pack.json says of an input: "domain" (what it is), "range" ([low, high],
    which the generator keeps), "units", "sample_rate". name: by default that of the folder.
    groups: an integer for each of real_data, the same for those that are not independent, as frames
    of one video or excerpts of one recording are: intervals and the noise floor take them together.
    credits: a line that real inputs may be shown with; those that excite a neuron most and least
    are then kept in the pack. about, files, dtype, overwrite: as of `write_pack`.

    Networks are stored as the operations that `torch.export` traces, which need no code to load.
    With its config, what its class is called with, one is stored as class and weights instead:
    whoever loads it needs the class, and to trust it. Raises `UserError`, one line.
    """
    if not isinstance(out, str | PathLike):
        raise UserError(f"out={out!r}: must be a folder")
    out = Path(out)
    expect_place(out, overwrite)
    check_arguments(neurons, layers, latent, input, credits, about, dtype)
    check_stored({"classifier_config": classifier_config, "prior_config": prior_config}, files)
    data = RealData(real_data)
    network = given_network(classifier, "classifier")
    with ExitStack() as modes:
        modes.enter_context(evaluated(network))
        example = _example(network, data)
        units = _probed(network, example)
        offered = chosen_layers(network, units, layers)
        if layers is None:
            offered = with_gradient(network, offered, example)
        if asked := [layer for layer in _layers_of(neurons) if layer]:
            offered = chosen_layers(network, units, [*offered, *asked])
        check_aliases(neurons, offered)
        named = [_neuron(alias, unit, offered) for alias, unit in neurons.items()]
        generator, generator_config, latent = stored_prior(prior, prior_config, latent, data)
        if generator is not None:  # with a config it is the user's own
            modes.enter_context(evaluated(generator))
        stored, config = stored_classifier(network, classifier_config, example, list(offered))
        before = layers_before(network, list(offered), example)
        reference, shown, real = read(data, network, list(offered), named if credits else ())
        count = len(next(iter(reference.values())))
        if count < FEWEST:
            inputs = counted(count, "input")
            raise UserError(f"real_data has {inputs}, a search needs at least {FEWEST}")
        expect_read(stored, reference, example)
        grouped = None if groups is None else grouped_as(groups, count)
        input = {"shape": list(data.shape), "domain": "image", **(input or {})}
        said = input["shape"]
        if not isinstance(said, tuple | list) or list(said) != list(data.shape):
            raise UserError(f"input: the shape {said} is not real_data's, {list(data.shape)}")
        if generator is not None:
            expect_range(prior_of(generator, latent), input.get("range", (None, None)))
        statistics = _within(input, real)
        if generator is None:
            unlearned = UNLEARNED[str(prior)].of(statistics)
            with torch.no_grad():
                one, other = unlearned(drawn(unlearned, 2))
            if torch.equal(one, other):
                raise UserError(
                    f"real_data do not vary, so the prior {prior!r} has nothing to vary: give "
                    "inputs that differ"
                )
            generator, generator_config = unlearned, unlearned.config
            latent = unlearned.latent_shape
        return write_pack(
            out,
            name=name or out.absolute().name,
            classifier=stored,
            classifier_config=config,
            generator=generator,
            generator_config=generator_config,
            latent=latent,
            input=input,
            layers=list(offered),
            neurons=neurons,
            reference=reference,
            before=before,
            groups=grouped,
            excerpts=shown if len(shown) else None,  # none excite a neuron where none is named
            credits=[credits or ""] * len(shown),
            statistics=statistics,
            about=about,
            files=files,
            dtype=dtype,
            overwrite=overwrite,
        )


def _example(network: nn.Module, data: RealData) -> Tensor:
    """Three inputs, where the network is."""
    # Complex numbers and integers may stand beside them, which float() does not change.
    kinds = [weight.dtype for weight in network.parameters() if weight.is_floating_point()]
    if kinds and torch.float32 not in kinds:
        kind = str(kinds[0]).removeprefix("torch.")
        raise UserError(
            f"the classifier computes in {kind}, float32 is needed: call .float() on it"
        )
    few = torch.cat([data.example] * EXAMPLES)[:EXAMPLES]
    return few.to(device_of(network))


def _probed(network: nn.Module, example: Tensor) -> dict[str, tuple[int, ...]]:
    try:
        return units_of(network, example)
    except Exception as error:  # whatever a user's network raises
        raise UserError(
            f"the classifier does not take real_data of shape {list(example.shape[1:])}, float32: "
            f"{reason(error, kind=True)}"
        ) from None


def _layers_of(neurons: Mapping[str, str]) -> list[str]:
    return [unit.rpartition(":")[0] for unit in neurons.values()]


def _neuron(alias: str, unit: str, layers: Mapping[str, int]) -> Neuron:
    if not is_unit(unit.rpartition(":")[2]):  # a direction is a file, which a pack has not
        raise UserError(f"the neuron {alias!r} is wrong: {unit!r} is not written layer:unit")
    try:
        return Neuron.parse(unit, {}, layers)
    except UserError as error:
        raise UserError(f"the neuron {alias!r} is wrong: {error}") from None


def _within(input: Mapping[str, Any], real: InputStatistics) -> InputStatistics:
    """`real`, the statistics of real data, with the range that `input` promises and they keep."""
    low, high = input.get("range", (None, None))
    if (low is not None and real.low < low) or (high is not None and real.high > high):
        raise UserError(
            f"real_data goes from {real.low:g} to {real.high:g}, the range of an input is said to "
            f"be from {low} to {high}"
        )
    return real.within((low, high))
