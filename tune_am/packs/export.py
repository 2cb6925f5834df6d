"""Any network as a `Graph`, by `torch.export`."""

from __future__ import annotations

import io
import json
import logging
import operator
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.errors import UserError, first_line
from tune_am.packs.graph import Graph, encoded, operation
from tune_am.packs.outputs import by_unit, hooked

# Only in what is traced, not in what is computed: checks of shapes that a graph need not repeat.
_CHECKS = ("_assert_", "sym_constrain_range")


class _Read(nn.Module):
    """A network that gives the outputs of some of its layers, or its own where none is named.

    original: where another network was made of it, whose modules are no longer of their classes.
    """

    def __init__(
        self, network: nn.Module, layers: Sequence[str], original: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self._layers = {name: (original or network).get_submodule(name) for name in layers}

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = x.clone()  # a network may change its input, a graph does not
        if not self._layers:
            return (self.network(x),)
        seen: dict[str, Tensor] = {}

        def read(name: str, _module: nn.Module, output: object) -> None:
            # Cloned: an activation function that works in place comes after the hook.
            seen[name] = by_unit(self._layers[name], output).clone()

        with hooked({name: self.network.get_submodule(name) for name in self._layers}, read):
            self.network(x)
        return tuple(seen[name] for name in self._layers)


def as_graph(network: nn.Module, example: Tensor, layers: Sequence[str] = ()) -> Graph:
    """A `Graph` that computes what `network` does, for any number of inputs.

    example: [at least 2, *shape] of inputs. layers: those to be read, in order; the last one's
    output is the graph's. `network` must be in evaluation mode. Raises `UserError`, one line, where
    it cannot be traced.
    """
    try:
        config, tensors = _described(_traced(network, example, layers), layers)
        graph = Graph(**config)  # which has attributes that a module's name may clash with
    except Exception as error:  # torch.export's own errors are many
        instead = "give the config that its class is called with, to store it as class and weights"
        if isinstance(network, torch.jit.ScriptModule):  # has no class to call
            instead = (
                "give the network that it was made of; or, if it was scripted, what "
                "torch.jit.trace makes of that"
            )
        elif isinstance(network, torch.export.UnflattenedModule):  # nor has a program
            instead = "give the network that was exported, with its config"
        kind, said = type(network).__name__, first_line(error)[:200]
        raise UserError(
            f"{kind} cannot be stored as a torch.export graph ({said}); {instead}"
        ) from None
    graph.load_state_dict(tensors)
    return graph.eval().requires_grad_(False)


def unfolded(program: torch.export.ExportedProgram) -> nn.Module:
    """An exported program with its modules by their names, so that its layers can be read. Raises
    `UserError` for one that was exported in training mode, which it stays in."""
    if any(map(_trains, program.graph.nodes)):
        raise UserError(
            "the program was exported in training mode (dropout, batch norm): call eval() on its "
            "network and export it again"
        )
    with _quiet():
        network: nn.Module = torch.export.unflatten(program)
    return network


def _trains(node: torch.fx.Node) -> bool:
    """Whether it does another thing than in evaluation mode: dropout, or a norm by its batch."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return False
    names = [argument.name for argument in node.target._schema.arguments]
    told = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    told_to = True in (told.get("train"), told.get("training"))
    # In either mode alike: no share to drop, as of a plain GRU, or no statistics that were learnt.
    alike = 0 in (told.get("p"), told.get("dropout")) or told.get("running_mean", ...) is None
    return told_to and not alike


def _traced(
    network: nn.Module, example: Tensor, layers: Sequence[str]
) -> torch.export.ExportedProgram:
    """The program of `_Read`, for any number of inputs."""
    shapes = ({0: torch.export.Dim("n")},)
    with _quiet():
        try:
            read = _Read(network, layers)
            return torch.export.export(read, (example,), dynamic_shapes=shapes, strict=False)
        except Exception as error:
            # By running it, `len(x)` is a plain number; by its bytecode it stays what it is, but
            # hooks are lost: so that comes first, and they are set on what it gives.
            try:
                program = torch.export.export(
                    network, (example,), dynamic_shapes=shapes, strict=True
                )
                read = _Read(torch.export.unflatten(program), layers, network)
                return torch.export.export(read, (example,), dynamic_shapes=shapes, strict=False)
            except Exception:
                raise error from None


def _described(
    program: torch.export.ExportedProgram, layers: Sequence[str]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The arguments of the `Graph` that computes what `program` does, and its tensors by name."""
    signature = program.graph_signature
    if signature.buffers_to_mutate or signature.user_inputs_to_mutate:
        raise ValueError("it changes its own state or its input")
    held = {**program.state_dict, **program.constants}
    lines, tensors, state = [], {}, {}
    outputs: list[str] = []
    of_parameters = signature.inputs_to_parameters
    named = {
        **of_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name in named and node.users:
            path, value = named[node.name].removeprefix("network."), held[named[node.name]]
            if not isinstance(value, Tensor):
                raise ValueError(f"{path} is a {type(value).__name__}")
            dtype = str(value.dtype).removeprefix("torch.")
            trained = node.name in of_parameters
            tensors[node.name] = [path, trained, list(value.shape), dtype]
            state[path] = value.detach().clone(memory_format=torch.contiguous_format)
        elif node.op == "call_function":
            name = _operation_name(node.target)
            if not name.removeprefix("aten.").startswith(_CHECKS):
                operation(name)
                kwargs = {key: encoded(value, _node) for key, value in node.kwargs.items()}
                lines.append(json.dumps([node.name, name, encoded(node.args, _node), kwargs]))
        elif node.op == "output":
            outputs = [str(_node(part)) for part in node.args[0]]
        elif node.op != "placeholder":
            raise ValueError(f"it has a node {node.op} {node.target}")
    (given,) = signature.user_inputs
    config = {
        "input": given,
        "nodes": lines,
        "tensors": tensors,
        "layers": dict(zip(layers, outputs, strict=False)),
        "output": outputs[-1],
    }
    return config, state


def _node(value: Any) -> str | None:
    return value.name if isinstance(value, torch.fx.Node) else None


def _operation_name(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    name = getattr(target, "__name__", str(target))
    if getattr(operator, name, None) is target:
        return f"operator.{name}"
    raise ValueError(f"it uses {name}, which is no plain operator")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the tracer's remarks, of its own deprecations mostly, off the user's screen."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        # What it cannot trace it prints whole.
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
