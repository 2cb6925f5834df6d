"""A network as the list of operations that it comes to: JSON and safetensors, no code, no pickle.

`tune_am.packs.export.as_graph` makes one of any network that `torch.export` can trace. Not stored
as torch.export stores it: its files may hold pickles, and may name any function of PyTorch to call.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

# What is computed with shapes; everything else is an operator of ATen.
_ARITHMETIC = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "neg", "getitem"),
    *("eq", "ne", "lt", "le", "gt", "ge", "and_", "or_", "not_"),
)

# Of the operators whose names begin with "_", PyTorch's own business, what torch.export makes of
# layers; from the second line on, once it has decomposed them.
_PRIVATE = (
    *("_conj", "_upsample_", "_weight_norm"),
    *("_adaptive_", "_native_batch_norm_legit", "_to_copy", "_softmax", "_log_softmax"),
    *("_scaled_dot_product_", "_linalg_", "_fft_", "_unsafe_index.", "_unsafe_view."),
)
# In the names of those that read or write wherever their arguments say, or make tensors with which
# others do: nothing checks the indices in there. No layer that a gradient passes needs them.
_UNCHECKED = (
    *("sparse", "nested", "padded", "storage", "resize", "set_data", "shallow_copy"),
    *("backward", "quantize", "qparams", "fbgemm", "mkldnn", "cudnn", "miopen"),
    *("segment_reduce", "ctc_loss", "embedding_bag"),
)

# Node, operation, arguments, keyword arguments; a node's own value is written {"node": name}.
Line = tuple[str, str, list[Any], dict[str, Any]]


class Layer(nn.Module):
    """Stands where the layer was, for its weights and for whoever hooks it."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Graph(nn.Module):
    """Runs `nodes`, one after the other.

    input: the node that is the network's input. nodes: each a `Line` as JSON. tensors: node ->
    [name, whether it is a parameter, shape, dtype] of what is loaded into it. layers: name of a
    module -> the node that is its output [n, units, *positions]; it runs through a `Layer` of that
    name. output: the node that is the network's. Raises `ValueError` where that is no network.
    """

    def __init__(
        self,
        input: str,
        nodes: Sequence[str],
        tensors: Mapping[str, Sequence[Any]],
        layers: Mapping[str, str],
        output: str,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "input": input,
            "nodes": list(nodes),
            "tensors": dict(tensors),
            "layers": dict(layers),
            "output": output,
        }
        self._input, self._output, self._layers = input, output, dict(layers)
        lines: list[Line] = [json.loads(line) for line in nodes]
        self._steps = [(name, operation(what), args, kw) for name, what, args, kw in lines]
        self._operations = {what for _, what, _, _ in lines}
        self._tensors = {node: str(tensor[0]) for node, tensor in tensors.items()}
        self._last_use = _last_uses(lines, keep=[output, *layers.values()])
        try:
            for path, trained, shape, dtype in tensors.values():
                self._register(path, torch.zeros(shape, dtype=_constant("dtype", dtype)), trained)
            for path in layers:
                self._module(path)
        except (KeyError, AttributeError) as error:
            raise ValueError(f"no such module or tensor: {error}") from None

    def forward(self, x: Tensor) -> Tensor:
        values: dict[str, Any] = {self._input: x}
        for node, path in self._tensors.items():
            module, _, name = path.rpartition(".")
            values[node] = getattr(self.get_submodule(module), name)
        for place, (name, run, args, kwargs) in enumerate(self._steps):
            inputs = _filled(args, values, x.device)
            values[name] = run(*inputs, **_filled(kwargs, values, x.device))
            for done in self._last_use.get(place, ()):
                del values[done]
        for path, node in self._layers.items():
            values[node] = self.get_submodule(path)(values[node])
        output: Tensor = values[self._output]
        return output

    def has_operation(self, prefixes: tuple[str, ...]) -> bool:
        """Whether it has an operation whose name begins with one of `prefixes`."""
        return any(name.startswith(prefixes) for name in self._operations)

    def _register(self, path: str, value: Tensor, trained: bool) -> None:
        module, _, name = path.rpartition(".")
        if trained:
            self._module(module).register_parameter(name, nn.Parameter(value))
        else:
            self._module(module).register_buffer(name, value)

    def _module(self, path: str) -> nn.Module:
        """The module called `path`, made where there is none."""
        module: nn.Module = self
        for name in filter(None, path.split(".")):
            if name not in module._modules:
                module.add_module(name, Layer())
            found = module._modules[name]
            assert found is not None
            module = found
        return module


def operation(name: str) -> Callable[..., Any]:
    """The function called "aten.relu.default" or "operator.mul"; `ValueError` for any other.

    Operators that read or write files are none, nor those known to reach memory that is not their
    tensors': a graph computes, and does nothing else.
    """
    kind, _, rest = name.partition(".")
    if kind == "operator" and rest in _ARITHMETIC:
        function: Callable[..., Any] = getattr(operator, rest)
        return function
    base, _, overload = rest.partition(".")
    if kind == "aten" and base.isidentifier() and overload.isidentifier():
        try:
            found = getattr(getattr(torch.ops.aten, base), overload)
        except AttributeError:
            found = None
        if isinstance(found, torch._ops.OpOverload) and _computes(f"{base}.{overload}", found):
            return found
    raise ValueError(f"{name!r} is no operation that a graph may have")


def _computes(name: str, found: torch._ops.OpOverload) -> bool:
    base, _, _ = name.partition(".")
    if base in ("set", "set_", "data") or any(word in base for word in _UNCHECKED):
        return False
    if base.startswith("_") and not name.startswith(_PRIVATE):
        return False
    # What is given as `out` gets the size of what is written, whoever else looks at its memory.
    return not any(a.name == "filename" or a.is_out for a in found._schema.arguments)


def encoded(value: Any, name_of: Callable[[Any], str | None]) -> Any:
    """An argument as JSON; `name_of` gives the name of a node, None of what is none.

    Raises `ValueError` for what has no form in JSON.
    """
    name = name_of(value)
    if name is not None:
        return {"node": name}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return {"device": "of the input"}
    if isinstance(value, torch.memory_format):
        return {"memory_format": str(value).removeprefix("torch.")}
    if isinstance(value, torch.layout):
        return {"layout": str(value).removeprefix("torch.")}
    if isinstance(value, list | tuple):
        return [encoded(part, name_of) for part in value]
    if isinstance(value, float) and value in (float("inf"), -float("inf")):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"an argument of type {type(value).__name__}")


def _filled(value: Any, values: Mapping[str, Any], device: torch.device) -> Any:
    """An argument from its JSON, nodes replaced by their values."""
    if isinstance(value, list):
        return [_filled(part, values, device) for part in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (kind, content), *_ = value.items()
        if kind == "node":
            return values[content]
        if kind == "device":
            return device
        if kind == "float":
            return float(content)
        if kind in _CONSTANTS and type(content) is str:
            return _constant(kind, content)
    return {key: _filled(part, values, device) for key, part in value.items()}


_CONSTANTS = {
    "dtype": torch.dtype,
    "memory_format": torch.memory_format,
    "layout": torch.layout,
}


def _constant(kind: str, name: str) -> Any:
    found = getattr(torch, name, None)
    if not isinstance(found, _CONSTANTS[kind]):
        raise ValueError(f"{name!r} is no {kind} of PyTorch")
    return found


def _last_uses(lines: Sequence[Line], keep: Iterable[str]) -> dict[int, list[str]]:
    """Place of a node -> what nobody needs after it: an ascent's memory is the classifier's."""
    last: dict[str, int] = {}
    for place, (name, _, args, kwargs) in enumerate(lines):
        for used in [name, *_nodes_in(args), *_nodes_in(kwargs)]:
            last[used] = place
    uses: dict[int, list[str]] = {}
    for name in last.keys() - set(keep):
        uses.setdefault(last[name], []).append(name)
    return uses


def _nodes_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {"node"}:
            return [value["node"]]
        value = list(value.values())
    return [name for part in value for name in _nodes_in(part)] if isinstance(value, list) else []
