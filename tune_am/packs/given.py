"""Networks that a user gives, as a pack stores them: traced operations, or a class and weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from numbers import Integral
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.errors import UserError, reason
from tune_am.packs.agreement import agree, expect_each_alone, expect_one_answer, expect_same
from tune_am.packs.ascendable import drawn, expect_gradient, independent
from tune_am.packs.device import device_of
from tune_am.packs.export import as_graph, unfolded
from tune_am.packs.neuron import Tap, read_activations
from tune_am.packs.pack_arguments import as_number
from tune_am.packs.prior import GeneratorPrior, Prior
from tune_am.packs.real_data import RealData
from tune_am.packs.reparametrised import with_plain_weights
from tune_am.packs.stored import rebuilt
from tune_am.packs.unlearned import UNLEARNED, FourierPrior, RawPrior


def given_network(given: object, what: str) -> nn.Module:
    """The network that `given` is or holds; `UserError` says of `what` that it is none."""
    given = getattr(given, "_orig_mod", given)  # of torch.compile, which puts that before names
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
    if any(tensor.is_meta for tensor in (*given.parameters(), *given.buffers())):
        raise UserError(
            f"the {what} is on the meta device, without numbers: make it on another, as cpu, and "
            "load its weights there"
        )
    return given


def stored_classifier(
    network: nn.Module,
    config: Mapping[str, Any] | None,
    example: Tensor,
    layers: Sequence[str],
) -> tuple[nn.Module, Mapping[str, Any]]:
    """The network to be written, and the config of its class. Raises `UserError` where ascent in
    it would fail, or what is stored would not compute the same."""

    def read(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
        seen = Tap(network, layers)(x)
        return {f"the classifier's layer {layer!r}": values for layer, values in seen.items()}

    _expect_ascendable(partial(read, network), example)
    if config is not None:
        _expect_rebuilt(network, "classifier_config", config, read, example)
        return network, config
    graph = as_graph(with_plain_weights(network), example, layers)
    # On another number of inputs than it was traced with.
    found = read_activations(graph, layers, example[:1].cpu())
    expected = read_activations(network, layers, example[:1])
    for layer in layers:
        expect_same(f"the classifier's layer {layer!r}", found[layer], expected[layer].cpu())
    return graph, graph.config


@torch.no_grad()
def expect_read(stored: nn.Module, reference: Mapping[str, Tensor], example: Tensor) -> None:
    """`UserError` where the network to be written does not give what was read of the first real
    inputs, `example`: the given one has changed meanwhile. reference: layer -> [inputs, units].

    Of a network that draws random numbers nothing can be told."""
    tap, x = Tap(stored, list(reference)), example.to(device_of(stored))
    found, again = tap(x), tap(x)
    hint = "does forward() change the network? let it leave nothing behind"
    for layer, values in reference.items():
        if agree(again[layer], found[layer]):
            expect_same(
                f"the classifier's layer {layer!r}", found[layer].cpu(), values[: len(x)], hint
            )


def stored_prior(
    prior: object,
    config: Mapping[str, Any] | None,
    latent: int | Sequence[int] | None,
    data: RealData,
) -> tuple[nn.Module | None, Mapping[str, Any], Any]:
    """The generator to be written, its config and latent; None where real data make the prior.
    Raises `UserError` as `stored_classifier` does, and where it makes no inputs."""
    if isinstance(prior, str):
        if prior not in UNLEARNED:
            raise UserError(f"unknown prior {prior!r}: give a network, or {', '.join(UNLEARNED)}")
        return None, {}, ()
    network = given_network(prior, "prior")
    if isinstance(network, RawPrior | FourierPrior):
        _expect_inputs(network, data)
        return network, network.config, network.latent_shape
    own = _of_own_starts(network)
    latent = _latent(network, latent if own is None else None)
    if own is None and isinstance(network, GeneratorPrior):
        network = network.generator
    with evaluated(network):
        z = _expect_inputs(GeneratorPrior(network, latent) if own is None else own, data)

        def read(network: nn.Module, z: Tensor) -> dict[str, Tensor]:
            return {"the prior's output": network(z.clone())}

        def read_all(network: nn.Module, z: Tensor) -> dict[str, Tensor]:
            starts = {"a start": drawn(network, len(z))} if isinstance(network, Prior) else {}
            return {**starts, **read(network, z)}

        _expect_ascendable(partial(read, network), z)
        if config is not None:
            _expect_rebuilt(network, "prior_config", config, read_all, z)
            return network, config, latent
        if own is not None:
            raise UserError(
                f"{type(network).__name__} draws starts of its own: give prior_config, what its "
                "class is called with, to store it as class and weights"
            )
        graph = as_graph(network, z)
        with torch.no_grad():
            expect_same("the prior's output", graph(z[:1].cpu()), network(z[:1].clone()).cpu())
    return graph, graph.config, latent


def with_gradient(network: nn.Module, layers: dict[str, int], example: Tensor) -> dict[str, int]:
    """Of `layers`, which nobody asked for, those that depend on the input; where none does, all,
    for an error to say so."""
    flat = independent(Tap(network, list(layers)), example[:1])
    return {layer: units for layer, units in layers.items() if layer not in flat} or layers


def _expect_ascendable(read: Callable[[Tensor], dict[str, Tensor]], x: Tensor) -> None:
    with torch.no_grad():
        expect_one_answer(read, x)
        expect_each_alone(read, x)
    expect_gradient(read, x[:1])  # of one: there is a pass back from every layer


@torch.no_grad()
def _expect_rebuilt(
    network: nn.Module,
    option: str,
    config: Mapping[str, Any],
    read: Callable[[nn.Module, Tensor], dict[str, Tensor]],
    x: Tensor,
) -> None:
    """`UserError` unless the class of `network`, called with `config`, computes the same outputs
    `read` for `x`: what is set on a network afterwards is not stored.

    Of a network that draws random numbers nothing can be told.
    """
    kind = type(network).__name__
    expected, again = read(network, x), read(network, x)
    try:
        stored = json.loads(json.dumps(dict(config), default=as_number))
        found = read(rebuilt(type(network), stored, network.state_dict()), x.cpu())
    except Exception as error:  # whatever a user's class raises
        raise UserError(
            f"{option} does not make the {kind} that was given: {reason(error, kind=True)}"
        ) from None
    hint = f"{option} must make the same {kind} anew, for what is set on it afterwards is not kept"
    for what, values in expected.items():
        if agree(again[what], values):
            expect_same(what, found[what], values.cpu(), hint)


def _of_own_starts(network: nn.Module) -> Prior | None:
    """The network, if it draws its starts itself: they need not be normal, and may be all that it
    takes."""
    if isinstance(network, Prior) and type(network).sample is not Prior.sample:
        return network
    return None


def _latent(network: nn.Module, given: int | Sequence[int] | None) -> int | Sequence[int]:
    said = getattr(network, "latent_shape", getattr(network, "latent", given))
    latent = given if given is not None else said
    if isinstance(latent, Integral):  # NumPy's are Integral too
        return int(latent)
    if isinstance(latent, tuple | list) and all(isinstance(size, Integral) for size in latent):
        return [int(size) for size in latent]
    raise UserError(
        f"the latent of {type(network).__name__} is not known: give latent, its length or shape"
    )


@torch.no_grad()
def _expect_inputs(prior: Prior, data: RealData) -> Tensor:
    """Starts [3, *latent_shape] where the prior is; `UserError` unless it makes inputs of them."""
    z = drawn(prior, 3)
    try:
        made = prior(z.clone())
    except Exception as error:  # whatever a user's network raises
        raise UserError(
            f"the prior does not take latents of shape {list(z.shape[1:])}: "
            f"{reason(error, kind=True)}"
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


@contextmanager
def evaluated(network: nn.Module) -> Iterator[None]:
    """In evaluation mode meanwhile, every module as it was afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
