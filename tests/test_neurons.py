from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from tune_am.neurons import main, statistics
from tune_am.packs.make_pack import make_pack
from tune_am.packs.pack import Pack


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def test_statistics_of_known_numbers() -> None:
    found = statistics(torch.tensor([0.0, 0.0, 0.0, 4.0]))
    assert (found["lowest"], found["mean"], found["highest"]) == (0.0, 1.0, 4.0)
    assert found["deviation"] == pytest.approx(2.0)
    assert found["selectivity"] == pytest.approx(1.5)
    assert not found["dead"]
    assert statistics(torch.full((5,), 0.1))["dead"]
    assert statistics(torch.full((5,), 0.1))["selectivity"] == 0.0


def test_selectivity_of_a_normal_distribution() -> None:
    """The mean of the top 1 % lies at phi(2.326) / 0.01 = 2.665 deviations."""
    draws = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    assert statistics(draws)["selectivity"] == pytest.approx(2.665, abs=0.05)


def test_lists_the_layers(shown_pack: Path, capsys) -> None:
    found = json.loads(said(capsys, "--pack", str(shown_pack), "--json"))
    pack = Pack.load(shown_pack)
    assert {row["layer"]: row["units"] for row in found["layers"]} == pack.layers
    for row in found["layers"]:
        real = pack.reference.activations[row["layer"]]
        assert row["highest"] == pytest.approx(float(real.max()))
        assert row["dead"] == int((real == real[0]).all(0).sum())


def test_lists_all_units_of_a_layer(shown_pack: Path, capsys) -> None:
    found = json.loads(said(capsys, "--pack", str(shown_pack), "--json", "fc7"))
    real = Pack.load(shown_pack).reference.activations["fc7"]
    assert [row["mean"] for row in found["units"]] == pytest.approx(real.mean(0).tolist())


def test_credits_the_most_exciting_excerpts_of_a_unit(shown_pack: Path, capsys) -> None:
    found = json.loads(said(capsys, "--pack", str(shown_pack), "--json", "vocal"))
    pack = Pack.load(shown_pack)
    assert pack.excerpts is not None
    with torch.no_grad():
        logits = pack.classifier(pack.excerpts.inputs)
    best = int(logits.argmax())
    assert found["excerpts"][0]["excerpt"] == best
    assert found["excerpts"][0]["credit"] == pack.excerpts.credits[best]
    assert found["excerpts"][0]["activation"] == pytest.approx(float(logits.max()), rel=1e-4)


@pytest.mark.parametrize("what", [[], ["conv1"], ["fc7"], ["vocal"]])
def test_fits_80_columns(what: list[str], capsys) -> None:
    lines = said(capsys, *what).splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80


def test_excerpts_of_one_credit_are_told_apart(shown_pack: Path, capsys) -> None:
    found = json.loads(said(capsys, "--pack", str(shown_pack), "--json", "vocal"))["excerpts"]
    assert len({one["excerpt"] for one in found}) == len(found) > 1
    lines = said(capsys, "--pack", str(shown_pack), "vocal").splitlines()[-len(found) :]
    assert [int(line.split()[1]) for line in lines] == [one["excerpt"] for one in found]


def test_names_of_an_exported_network_are_whole(tmp_path: Path, capsys) -> None:
    """Its modules are names only: no column says so of each."""
    names = ["encoder.layers.0.linear1", "encoder.layers.0.linear2"]
    block = _named(linear1=nn.Linear(6, 4), linear2=nn.Linear(4, 2))
    network = _named(encoder=_named(layers=nn.Sequential(block)))
    make_pack(network, "raw", torch.randn(100, 6), {"b": f"{names[1]}:1"}, tmp_path / "pack")
    printed = said(capsys, "--pack", str(tmp_path / "pack")).splitlines()
    assert printed[2].split() == [
        "layer",
        "units",
        "dead",
        "lowest",
        "highest",
        "most",
        "selective",
    ]
    assert [line.split()[0] for line in printed[3:5]] == names


def _named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def test_says_what_there_is(tiny_pack: Path, capsys) -> None:
    assert "no excerpts" in said(capsys, "--pack", str(tiny_pack), "vocal")
    assert main(["--pack", str(tiny_pack), "fc99"]) == 2
    assert capsys.readouterr().err.startswith("error: no layer 'fc99'; there are conv1, ")
    assert main(["--pa", str(tiny_pack)]) == 2
