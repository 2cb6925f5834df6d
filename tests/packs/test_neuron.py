from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tune_am.am.plan import Plan
from tune_am.am.settings import Settings
from tune_am.am.trial_run import TrialRun
from tune_am.errors import UserError
from tune_am.packs.neuron import Neuron, Tap, beside, read_activations, shown
from tune_am.packs.pack import Pack
from tune_am.packs.reference import Reference

ALIASES = {"vocal": "fc9:0"}
LAYERS = {"conv4": 8, "fc8": 64, "fc9": 1}


@pytest.mark.parametrize(
    ("text", "neuron"),
    [
        ("vocal", Neuron("fc9", 0, "vocal")),
        ("fc8:12", Neuron("fc8", 12, "fc8:12")),
        ("conv4:0", Neuron("conv4", 0, "conv4:0")),
    ],
)
def test_parse(text: str, neuron: Neuron) -> None:
    assert Neuron.parse(text, ALIASES, LAYERS) == neuron


def test_a_layer_with_a_colon_in_its_name(tmp_path: Path) -> None:
    layers = {"x y:z": 10}
    assert Neuron.parse("x y:z:3", {}, layers) == Neuron("x y:z", 3, "x y:z:3")
    np.save(tmp_path / "a:b.npy", np.eye(10)[3])
    assert Neuron.parse(f"x y:z:@{tmp_path}/a:b.npy", {}, layers).weights[3] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vocals",
        "fc8",
        "fc8:",
        "fc8:64",
        "fc8:-1",
        "fc8:1.0",
        "fc8:²",
        "fc8:٣",  # a digit of another script
        "fc7:0",
        ":0",
        "fc8:1@mid",
    ],
)
def test_an_unknown_neuron_gets_what_there_is(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Neuron.parse(text, ALIASES, LAYERS)
    line = str(caught.value)
    assert repr(text) in line
    if text.startswith("fc8:"):
        assert line.endswith(": fc8 has the units 0 to 63")
    else:
        assert "LAYER:UNIT of the layers conv4 (0 to 7), fc8 (0 to 63), fc9 (0 to 0)" in line


def test_a_direction_without_a_file() -> None:
    with pytest.raises(UserError, match=r"fc8:@ names no file: write fc8:@direction\.npy"):
        Neuron.parse("fc8:@", ALIASES, LAYERS)


class Network(nn.Module):
    """One of each kind of layer; its output has no unit dimension."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv1d(1, 3, 2), nn.ReLU())
        self.dense = nn.Linear(12, 2)
        self.last = nn.Flatten(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dense(self.inner(x[:, None]).flatten(1))
        return self.last(x.sum(1))


def test_tap_reads_layers_before_their_nonlinearity_and_averages_positions() -> None:
    network, x = Network(), torch.randn(4, 5)
    seen = Tap(network, ["dense", "inner.0", "last"])(x)
    assert list(seen) == ["dense", "inner.0", "last"]
    conv = network.inner[0](x[:, None])
    assert (conv < 0).any(), "the test needs what the nonlinearity would change"
    torch.testing.assert_close(seen["inner.0"], conv.mean(2))
    torch.testing.assert_close(seen["dense"], network.dense(conv.relu().flatten(1)))
    torch.testing.assert_close(seen["last"], network(x)[:, None])


class Mixed(nn.Module):
    """Computes in more bits and in fewer than float32."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow, self.head = nn.Identity(), nn.Linear(5, 3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.wide(x.double())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.head(self.narrow(x.float()))


def test_tap_reads_float32_whatever_a_layer_computes_in() -> None:
    seen = Tap(Mixed(), ["wide", "narrow", "head"])(torch.randn(4, 5))
    assert {values.dtype for values in seen.values()} == {torch.float32}


def test_tap_leaves_no_hook_behind_even_when_the_network_fails() -> None:
    network = Network()
    tap = Tap(network, ["dense"])
    tap(torch.randn(2, 5))
    with pytest.raises(RuntimeError):
        tap(torch.randn(2, 9))
    assert not any(module._forward_hooks for module in network.modules())


def test_reading_in_chunks_is_reading() -> None:
    network, x = Network(), torch.randn(7, 5)
    chunked = read_activations(network, ["dense"], x, chunk=3)["dense"]
    torch.testing.assert_close(chunked, Tap(network, ["dense"])(x)["dense"])
    assert not chunked.requires_grad


def test_a_direction_is_the_sum_of_units_by_weights_of_length_1(tmp_path: Path) -> None:
    file = tmp_path / "pair.npy"
    np.save(file, np.array([3, 0, 4], dtype=np.int64))
    neuron = Neuron.parse(f"fc8:@{file}", {}, {"fc8": 3})
    assert neuron.name == neuron.place == "fc8:@pair.npy"
    assert neuron.weights == pytest.approx((0.6, 0.0, 0.8))
    activations = torch.tensor([[1.0, 7.0, 2.0], [0.0, 1.0, -1.0]])
    assert neuron.read(activations).tolist() == pytest.approx([2.2, -0.8])
    reference = Reference({"fc8": activations})
    assert reference.of(neuron).tolist() == pytest.approx([2.2, -0.8])
    assert reference.tail(neuron, "min", 1).tolist() == [1]


def test_huge_directions_do_not_overflow(tmp_path: Path) -> None:
    np.save(tmp_path / "huge.npy", np.array([1e300, -1e300]))
    neuron = Neuron.parse(f"fc8:@{tmp_path / 'huge.npy'}", {}, {"fc8": 2})
    assert neuron.weights == pytest.approx((0.5**0.5, -(0.5**0.5)))


def test_a_direction_along_one_unit_is_that_unit(tiny_pack: Path, tmp_path: Path) -> None:
    """The whole trial: ascent, reference and scores."""
    pack = Pack.load(tiny_pack)
    axis = np.zeros(pack.layers["conv4"])
    axis[3] = 2.0
    np.save(tmp_path / "axis.npy", axis)
    runs = [
        TrialRun(pack, Plan(name, starts=3, report_points=(2, 4)), Settings(lr=0.1))
        for name in ("conv4:3", f"conv4:@{tmp_path / 'axis.npy'}")
    ]
    one, other = (run.advance_to(4) for run in runs)
    assert one["activation_fid"] == pytest.approx(other["activation_fid"], rel=1e-4)
    assert one["layer_fid"] == pytest.approx(other["layer_fid"], rel=1e-4)


@pytest.mark.parametrize(
    ("vector", "why"),
    [
        (np.ones(3), r"has the shape \[3\]; fc8 needs \[64\]"),
        (np.ones((1, 64)), r"has the shape \[1, 64\]"),
        (np.full(64, np.nan), "holds NaN"),
        (np.zeros(64), "all zero"),
        (np.array(["a"] * 64), "real numbers"),
        (np.ones(64, dtype=complex), "real numbers"),
        (np.array([None] * 64), "is no .npy file"),  # a pickle: never read
    ],
)
def test_bad_directions_get_one_line(vector: Any, why: str, tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", vector, allow_pickle=True)
    with pytest.raises(UserError, match=why) as caught:
        Neuron.parse(f"fc8:@{tmp_path / 'bad.npy'}", ALIASES, LAYERS)
    assert "\n" not in str(caught.value)
    assert "bad.npy" in str(caught.value)


def _header(shape: str) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize("held", [b"PK\x03\x04 and no more", b"", _header(f"({2**56},)")])
def test_a_damaged_direction_gets_one_line(held: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_bytes(held)
    with pytest.raises(UserError, match=r"bad.npy is no .npy file") as caught:
        Neuron.parse(f"fc8:@{tmp_path / 'bad.npy'}", ALIASES, LAYERS)
    assert "\n" not in str(caught.value)


def test_an_archive_is_no_direction(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", np.ones(64))
    with pytest.raises(UserError, match=r"bad.npz is an archive: write one vector by numpy.save"):
        Neuron.parse(f"fc8:@{tmp_path / 'bad.npz'}", ALIASES, LAYERS)


def test_a_direction_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read direction none.npy: No such file"):
        Neuron.parse("fc8:@none.npy", ALIASES, LAYERS)


def test_a_direction_moves_with_its_run_folder() -> None:
    assert shown("fc8:@/far/away/a.npy") == "fc8:@a.npy"
    assert beside("fc8:@/far/away/a.npy", Path("/run")) == "fc8:@/run/a.npy"
    assert shown("fc8:12") == beside("fc8:12", Path("/run")) == "fc8:12"
