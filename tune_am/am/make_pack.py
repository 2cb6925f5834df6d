"""A pack of anybody's classifier and prior."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.am.agreement import expect_each_alone, expect_same
from tune_am.am.ascendable import expect_gradient, expect_range
from tune_am.am.export import as_graph, unfolded
from tune_am.am.feeding import layers_before
from tune_am.am.neuron import Neuron, Tap, read_activations
from tune_am.am.pack import Pack, write_pack
from tune_am.am.pack_arguments import check_aliases, check_arguments, check_stored
from tune_am.am.place import expect_place
from tune_am.am.prior import GeneratorPrior, Prior
from tune_am.am.probe import chosen_layers, units_of
from tune_am.am.real_data import EXAMPLES, Reading, RealData
from tune_am.am.reference import TAIL
from tune_am.am.unlearned import UNLEARNED, FourierPrior, RawPrior
from tune_am.errors import UserError, reason

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
    credits: a line that real inputs may be shown with; those that excite a neuron most and least
    are then kept in the pack. about, files, dtype, overwrite: as of `write_pack`.

    Networks are stored as the operations that `torch.export` traces, which need no code to load.
    With its config, what its class is called with, one is stored as class and weights instead:
    whoever loads it needs the class, and to trust it. Raises `UserError`, one line.
    """
    out = Path(out)
    expect_place(out, overwrite)
    check_arguments(neurons, layers, latent, input, credits, about, dtype)
    check_stored({"classifier_config": classifier_config, "prior_config": prior_config}, files)
    data = RealData(real_data)
    network = _network(classifier, "classifier")
    with ExitStack() as modes:
        modes.enter_context(_evaluated(network))
        example = _example(network, data)
        units = _probed(network, example)
        offered = chosen_layers(network, units, layers)
        if asked := [layer for layer in _layers_of(neurons) if layer]:
            offered = chosen_layers(network, units, [*offered, *asked])
        check_aliases(neurons, offered)
        named = [_neuron(alias, unit, offered) for alias, unit in neurons.items()]
        generator, generator_config, latent = _stored_prior(prior, prior_config, latent, data)
        if generator is not None:  # with a config it is the user's own
            modes.enter_context(_evaluated(generator))
        stored, config = _stored_classifier(network, classifier_config, example, list(offered))
        before = layers_before(network, list(offered), example)
        reading = Reading(network, list(offered))
        reference, shown = reading.read(data, example.device, named if credits else ())
        count = len(next(iter(reference.values())))
        if count < FEWEST:
            raise UserError(f"real_data has {count} inputs, a search needs at least {FEWEST}")
        input = {"shape": list(data.shape), "domain": "image", **(input or {})}
        if list(input["shape"]) != list(data.shape):
            raise UserError(
                f"input: the shape {input['shape']} is not real_data's, {list(data.shape)}"
            )
        if generator is not None:
            expect_range(GeneratorPrior(generator, latent), input.get("range", (None, None)))
        statistics = reading.moments.statistics(_within(input, reading))
        if generator is None:
            unlearned = UNLEARNED[str(prior)].of(statistics)
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
            excerpts=shown if credits else None,
            credits=[credits] * len(shown) if credits else (),
            statistics=statistics,
            about=about,
            files=files,
            dtype=dtype,
            overwrite=overwrite,
        )


def _network(given: object, what: str) -> nn.Module:
    if isinstance(given, torch.export.ExportedProgram):
        return unfolded(given)
    if isinstance(given, torch.jit.ScriptModule) and what == "classifier":
        # Its modules run within TorchScript's interpreter, which calls no hook.
        raise UserError(
            "the classifier is TorchScript, whose layers cannot be read: give the network that it "
            "was made of, or export that by torch.export"
        )
    if not isinstance(given, nn.Module):
        raise UserError(f"the {what} is {type(given).__name__}, not a network (torch.nn.Module)")
    return given


def _example(network: nn.Module, data: RealData) -> Tensor:
    """Three inputs, where the network is."""
    weight = next(network.parameters(), None)
    if weight is not None and weight.dtype != torch.float32:
        kind = str(weight.dtype).removeprefix("torch.")
        raise UserError(
            f"the classifier computes in {kind}, float32 is needed: call .float() on it"
        )
    few = torch.cat([data.example] * EXAMPLES)[:EXAMPLES]
    return few if weight is None else few.to(weight.device)


def _probed(network: nn.Module, example: Tensor) -> dict[str, tuple[int, ...]]:
    try:
        return units_of(network, example)
    except Exception as error:  # whatever a user's network raises
        raise UserError(
            f"the classifier does not take real_data of shape {list(example.shape[1:])}, float32: "
            f"{reason(error)}"
        ) from None


def _layers_of(neurons: Mapping[str, str]) -> list[str]:
    return [unit.rpartition(":")[0] for unit in neurons.values()]


def _neuron(alias: str, unit: str, layers: Mapping[str, int]) -> Neuron:
    if not unit.rpartition(":")[2].isdecimal():  # a direction is a file, which a pack has not
        raise UserError(f"the neuron {alias!r} is wrong: {unit!r} is not written layer:unit")
    try:
        return Neuron.parse(unit, {}, layers)
    except UserError as error:
        raise UserError(f"the neuron {alias!r} is wrong: {error}") from None


def _stored_classifier(
    network: nn.Module,
    config: Mapping[str, Any] | None,
    example: Tensor,
    layers: Sequence[str],
) -> tuple[nn.Module, Mapping[str, Any]]:
    """The network to be written, and the config of its class."""

    tap = Tap(network, layers)

    def read(x: Tensor) -> dict[str, Tensor]:
        return {f"the classifier's layer {layer!r}": values for layer, values in tap(x).items()}

    expect_gradient(read, example)
    with torch.no_grad():
        expect_each_alone(read, example)
    if config is not None:
        return network, config
    graph = as_graph(network, example, layers)
    # On another number of inputs than it was traced with.
    found = read_activations(graph, layers, example[:1].cpu(), 1)
    expected = read_activations(network, layers, example[:1], 1)
    for layer in layers:
        expect_same(f"the classifier's layer {layer!r}", found[layer], expected[layer].cpu())
    return graph, graph.config


def _stored_prior(
    prior: object,
    config: Mapping[str, Any] | None,
    latent: int | Sequence[int] | None,
    data: RealData,
) -> tuple[nn.Module | None, Mapping[str, Any], Any]:
    """The generator to be written, its config and latent; None where real data make the prior."""
    if isinstance(prior, str):
        if prior not in UNLEARNED:
            raise UserError(f"unknown prior {prior!r}: give a network, or {', '.join(UNLEARNED)}")
        return None, {}, ()
    network = _network(prior, "prior")
    if isinstance(network, RawPrior | FourierPrior):
        _expect_inputs(network, network.latent_shape, data)
        return network, network.config, network.latent_shape
    latent = _latent(network, latent)
    own_starts = isinstance(network, Prior) and type(network).sample is not Prior.sample
    if isinstance(network, GeneratorPrior) and not own_starts:
        network = network.generator
    with _evaluated(network):
        z = _expect_inputs(network, GeneratorPrior(network, latent).latent_shape, data)

        def read(z: Tensor) -> dict[str, Tensor]:
            return {"the prior's output": network(z.clone())}

        expect_gradient(read, z)
        with torch.no_grad():
            expect_each_alone(read, z)
        if config is not None:
            return network, config, latent
        if own_starts:
            raise UserError(
                f"{type(network).__name__} draws starts of its own: give prior_config, what its "
                "class is called with, to store it as class and weights"
            )
        graph = as_graph(network, z)
        with torch.no_grad():
            expect_same("the prior's output", graph(z[:1].cpu()), network(z[:1].clone()).cpu())
    return graph, graph.config, latent


def _latent(network: nn.Module, given: int | Sequence[int] | None) -> int | Sequence[int]:
    said = getattr(network, "latent_shape", getattr(network, "latent", given))
    latent = given if given is not None else said
    if isinstance(latent, int) or (
        isinstance(latent, tuple | list) and all(isinstance(size, int) for size in latent)
    ):
        return latent
    raise UserError(
        f"the latent of {type(network).__name__} is not known: give latent, its length or shape"
    )


@torch.no_grad()
def _expect_inputs(network: nn.Module, latent: Sequence[int], data: RealData) -> Tensor:
    """Latents [3, *latent] where the prior is; `UserError` unless it makes inputs of them."""
    weight = next(network.parameters(), None)
    z = torch.randn(3, *latent, generator=torch.Generator().manual_seed(0))
    z = z if weight is None else z.to(weight.device)
    try:
        made = network(z.clone())
    except Exception as error:  # whatever a user's network raises
        raise UserError(
            f"the prior does not take latents of shape {list(latent)}: {reason(error)}"
        ) from None
    if not isinstance(made, Tensor):
        raise UserError(f"the prior gives {type(made).__name__}, not a tensor of inputs")
    found, wanted = list(made.shape), [len(z), *data.shape]
    if found != wanted or made.dtype != torch.float32:
        kind = str(made.dtype).removeprefix("torch.")
        raise UserError(
            f"the prior makes {found} {kind} of {len(z)} latents, real_data needs {wanted} float32"
        )
    return z


def _within(input: Mapping[str, Any], reading: Reading) -> tuple[float | None, float | None]:
    """The range that `input` promises, which real data keep to."""
    low, high = input.get("range", (None, None))
    real = reading.moments.statistics()
    if (low is not None and real.low < low) or (high is not None and real.high > high):
        raise UserError(
            f"real_data goes from {real.low:g} to {real.high:g}, the range of an input is said to "
            f"be from {low} to {high}"
        )
    return low, high


@contextmanager
def _evaluated(network: nn.Module) -> Iterator[None]:
    """In evaluation mode meanwhile, every module as it was afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
