"""Errors name an option as their reader gave it: typed, or passed to a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import tune_am
from tests.commands import command
from tune_am.naming import option, typed


def test_an_option_with_and_without_its_value() -> None:
    assert [option("max_steps", 0), option("out"), option("trust_code", True)] == [
        "max_steps=0",
        "out=",
        "trust_code=True",
    ]
    with typed():
        assert [option("max_steps", 0), option("out"), option("trust_code", True)] == [
            "--max-steps 0",
            "--out",
            "--trust-code",
        ]
    assert option("device", "cpu") == "device='cpu'"  # a command in this process has ended


@pytest.fixture
def foreign(tiny_pack: Path, tmp_path: Path) -> Path:
    """A pack whose networks are code outside tune_am."""
    pack = tmp_path / "foreign"
    pack.mkdir()
    for file in tiny_pack.iterdir():
        text = file.read_bytes()
        (pack / file.name).write_bytes(text.replace(b"tune_am.vocal.nets:", b"their_nets:"))
    return pack


def test_who_trusts_a_pack_is_told_how_to_say_so(foreign: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: tune_am.load_pack(foreign),
        lambda: tune_am.ascend("vocal", pack=foreign),
        lambda: tune_am.search("vocal", pack=foreign),
        lambda: tune_am.explain(neuron="vocal", pack=foreign),
    ]
    for call in calls:
        with pytest.raises(tune_am.UserError, match=r"; add trust_code=True only if you trust"):
            call()
    for module in ("neurons", "search --neuron vocal", "explain --neuron vocal"):
        name, *arguments = module.split()
        done = command(f"tune_am.{name}", *arguments, "--pack", foreign)
        assert "; add --trust-code only if you trust" in done.stderr


def test_where_results_go(tiny_pack: Path, tmp_path: Path) -> None:
    (tmp_path / "search.json").touch()  # as of an earlier search
    with pytest.raises(tune_am.UserError) as raised:
        tune_am.search("vocal", out=tmp_path)
    assert f"go on with it by resume='{tmp_path}', or name another with out=" in str(raised.value)
    done = command("tune_am.search", "--neuron", "vocal", "--out", tmp_path)
    assert f"go on with it by --resume {tmp_path}, or name another with --out\n" in done.stderr
    network, inputs = torch.nn.Linear(2, 2), torch.zeros(2, 2)
    with pytest.raises(tune_am.UserError, match="another folder or add overwrite=True"):
        tune_am.make_pack(network, "raw", inputs, {}, tiny_pack)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(tune_am.UserError, match=r"^device='cuda': .*; use device='cpu'$"):
        tune_am.search("vocal", device="cuda")
    done = command("tune_am.search", "--neuron", "vocal", "--device", "cuda")
    assert done.stderr == "error: --device cuda: PyTorch sees no GPU here; use --device cpu\n"
