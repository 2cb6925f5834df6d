"""A stored network computes what the original does, and nothing that it should not."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
import torch
import torchaudio
from torch import Tensor, nn

from tests.packs.own_models import Colours, Dense, Tokens, wav2letter
from tune_am.am.layout import laid_out
from tune_am.packs.export import as_graph, unfolded
from tune_am.packs.graph import Graph, operation
from tune_am.packs.neuron import Tap


def networks() -> dict[str, tuple[nn.Module, tuple[int, ...], list[str]]]:
    """network, shape of its input, layers."""
    torch.manual_seed(0)
    deep = torchaudio.models.DeepSpeech(n_feature=6, n_hidden=8, n_class=3)
    return {
        "colours": (Colours(), (3, 224, 224), ["features.0", "features.1", "hidden", "head"]),
        "wav2letter": (wav2letter(), (20, 60), ["acoustic_model.0", "acoustic_model.20"]),
        "deep speech": (deep, (1, 9, 6), ["fc1.fc"]),
        "lstm": (nn.Sequential(nn.LSTM(6, 4, batch_first=True)), (5, 6), ["0"]),
    }


@pytest.mark.parametrize("name", ["colours", "wav2letter", "deep speech", "lstm"])
def test_a_graph_computes_what_the_network_does(name: str) -> None:
    network, shape, layers = networks()[name]
    with torch.no_grad():
        for module in network.eval().modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    stored = as_graph(network, torch.randn(3, *shape), layers)
    graph = Graph(**json.loads(json.dumps(stored.config)))
    graph.load_state_dict(stored.state_dict())
    for n in (1, 4):
        x = torch.randn(n, *shape, requires_grad=True)
        found, expected = Tap(graph.eval(), layers)(x), Tap(network, layers)(x)
        for layer in layers:
            torch.testing.assert_close(found[layer], expected[layer])
        target = layers[-1]
        (pulled,) = torch.autograd.grad(found[target].square().sum(), x)
        (wanted,) = torch.autograd.grad(expected[target].square().sum(), x)
        torch.testing.assert_close(pulled, wanted)
        assert pulled.abs().max() > 0
    trained = {name for name, _ in network.named_parameters()}
    assert {name for name, _ in graph.named_parameters()} <= trained


def test_a_program_of_torch_export_has_its_layers() -> None:
    network, x = Colours().eval(), torch.randn(3, 3, 224, 224)
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim("n")},))
    layers = ["features.3", "hidden", "head"]
    found = Tap(as_graph(unfolded(program), x, layers), layers)(x[:2])
    expected = Tap(network, layers)(x[:2])
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[layer])


@pytest.mark.parametrize("kind", [nn.Linear, Dense])
def test_units_are_along_the_axis_that_the_layer_had(kind: type[nn.Linear]) -> None:
    network, x = Tokens(kind).eval(), torch.randn(3, 5, 8)
    expected = Tap(network, ["emb", "head"])(x)
    assert expected["emb"].shape == (3, 16)
    torch.testing.assert_close(
        Tap(as_graph(network, x, ["emb", "head"]), ["emb", "head"])(x), expected
    )
    if kind is nn.Linear:  # a program does not know the classes of its user
        shapes = ({0: torch.export.Dim("n")},)
        program = torch.export.export(network, (x,), dynamic_shapes=shapes, strict=True)
        torch.testing.assert_close(Tap(unfolded(program), ["emb", "head"])(x), expected)


def test_a_layout_that_does_not_suit_is_not_used() -> None:
    """`view` takes no tensor that lies channels last."""
    network, x = Colours().eval(), torch.randn(2, 3, 224, 224)
    with pytest.raises(RuntimeError, match="view"):
        laid_out(network)(x)
    for kept in (network, as_graph(network, x, ["head"])):
        assert laid_out(kept, x) is kept
    plain = nn.Conv2d(1, 2, 3)
    assert laid_out(plain, torch.randn(1, 1, 5, 5)) is not plain


@pytest.mark.parametrize(
    "name",
    [
        "aten.from_file.default",
        "aten.from_file.out",
        "aten.save.default",
        "aten._sparse_coo_tensor_unsafe.default",
        "aten._sparse_compressed_tensor_unsafe.default",
        "aten.sparse_coo_tensor.indices",
        "aten._to_dense.default",
        "aten._coalesced_.default",
        "aten.set_.source_Storage_storage_offset",
        "aten.set_.source_Tensor_storage_offset",
        "aten.set_data.default",
        "aten.resize_.default",
        "aten.resize.default",
        "aten._resize_output_.default",
        "aten._nested_view_from_buffer.default",
        "aten._reshape_alias.default",
        "aten._unsafe_masked_index.default",
        "aten._foreach_add.List",
        "aten.segment_reduce.default",
        "aten.ctc_loss.IntList",
        "aten.embedding_bag.default",
        "aten._embedding_bag.default",
        "aten.max_pool2d_with_indices_backward.default",
        "aten._softmax_backward_data.default",
        "aten.quantized_lstm.input",
        "aten.add.out",
        "aten.nothing.default",
        "aten.relu",
        "aten.__class__.default",
        "aten.relu.__call__",
        "prims.add.default",
        "os.system",
        "torch.ops.aten.relu.default",
        "operator.attrgetter",
        "operator.methodcaller",
        "operator.__call__",
        "builtins.eval",
        "",
    ],
)
def test_a_graph_computes_and_does_nothing_else(name: str) -> None:
    with pytest.raises(ValueError, match="no operation that a graph may have"):
        operation(name)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("as_strided.default", ([4], [10**9])),
        ("as_strided.default", ([2], [2**62])),
        ("_unsafe_view.default", ([10**7],)),
        ("_unsafe_index.Tensor", ([torch.tensor([10**12])],)),
        ("index.Tensor", ([torch.tensor([10**12])],)),
        ("gather.default", (0, torch.tensor([10**12]))),
    ],
)
def test_an_operation_that_is_allowed_stays_in_its_tensor(name: str, args: tuple[Any, ...]) -> None:
    with pytest.raises((RuntimeError, IndexError), match=r"out of bounds|overflowed|invalid"):
        operation(f"aten.{name}")(torch.ones(4), *args)


@pytest.mark.parametrize(
    "name",
    [
        *("conv2d.default", "batch_norm.default", "layer_norm.default", "linear.default"),
        *("lstm.input", "gru.input", "scaled_dot_product_attention.default", "stft.center"),
        *("upsample_bilinear2d.vec", "_upsample_bilinear2d_aa.vec", "_weight_norm.default"),
        *(
            "relu_.default",
            "copy_.default",
            "index_put_.default",
            "pad.default",
            "linalg_inv.default",
        ),
        *("_native_batch_norm_legit_no_training.default", "_softmax.default", "_to_copy.default"),
    ],
)
def test_what_export_makes_of_layers_is_allowed(name: str) -> None:
    assert callable(operation(f"aten.{name}"))


def test_no_operation_of_pytorch_that_takes_the_name_of_a_file_is_allowed() -> None:
    named = ("file", "path", "url", "device_name", "command")
    for full in torch._C._dispatch_get_all_op_names():
        space, _, name = full.partition("::")
        base, _, overload = name.partition(".")
        try:
            found = operation(f"{space}.{base}.{overload or 'default'}")
        except ValueError:
            continue
        arguments = [a.name for a in found._schema.arguments if str(a.type) == "str"]
        assert not any(word in argument for argument in arguments for word in named), full


SMALL: dict[str, Any] = {
    "input": "x",
    "nodes": ['["y", "aten.mul.Tensor", [{"node": "x"}, {"node": "w"}], {}]'],
    "tensors": {"w": ["scale.weight", True, [], "float32"]},
    "layers": {"scale": "y"},
    "output": "y",
}


def test_a_graph_by_hand() -> None:
    graph = Graph(**SMALL)
    graph.scale.weight.data.fill_(3.0)
    seen: list[Tensor] = []
    graph.scale.register_forward_hook(lambda module, inputs, output: seen.append(output))
    assert graph(torch.tensor([2.0])).item() == seen[0].item() == 6


@pytest.mark.parametrize(
    "change",
    [
        {"nodes": ["no json"]},
        {"nodes": ['["y", "os.system", ["ls"], {}]']},
        {"tensors": {"w": ["a.weight", True, [], "no_dtype"]}},
        {"tensors": {"w": ["a.weight", True, [], "load"]}},
        {"tensors": {"w": ["forward", True, [], "float32"]}},
        {"layers": {"__class__.x": "y"}},
    ],
)
def test_a_graph_that_is_none(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Graph(**{**deepcopy(SMALL), **change})
