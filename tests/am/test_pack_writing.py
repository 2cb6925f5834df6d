"""A pack is written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tune_am.am.pack import Pack, write_pack
from tune_am.errors import UserError


def written(pack: Pack, out: Path, **changes: Any) -> Pack:
    manifest = pack.manifest
    return write_pack(
        out,
        **{
            "name": "again",
            "classifier": pack.classifier,
            "classifier_config": manifest["classifier"]["config"],
            "generator": pack.prior.generator,
            "generator_config": manifest["prior"]["config"],
            "latent": 8,
            "input": manifest["input"],
            "layers": list(pack.layers),
            "neurons": pack.neurons,
            "reference": pack.reference.activations,
            **changes,
        },
    )


def test_writing_keeps_the_card_and_the_pictures(tiny_pack: Path, tmp_path: Path) -> None:
    picture = tmp_path / "samples.png"
    picture.write_bytes(b"picture")
    pack = written(
        Pack.load(tiny_pack),
        tmp_path / "deep" / "pack",
        about={"licences": "CC0"},
        files=[picture],
        reference={k: v.half() for k, v in Pack.load(tiny_pack).reference.activations.items()},
    )
    assert pack.manifest["licences"] == "CC0"
    assert (pack.path / "samples.png").read_bytes() == b"picture"
    assert pack.reference.of(pack.neuron("vocal")).dtype == torch.float32
    (pack.path / "samples.png").write_bytes(b"other")
    with pytest.raises(UserError, match=r"samples\.png: is truncated or altered"):
        Pack.load(pack.path)


def test_a_pack_appears_whole_or_not_at_all(tiny_pack: Path, tmp_path: Path) -> None:
    pack = Pack.load(tiny_pack)
    with pytest.raises(UserError, match="the neuron 'drums' is wrong"):
        written(pack, tmp_path / "new", neurons={"drums": "fc9:5"})
    assert list(tmp_path.iterdir()) == []


def test_a_pack_is_overwritten_only_when_asked_to(tiny_pack: Path, tmp_path: Path) -> None:
    pack, out = Pack.load(tiny_pack), tmp_path / "pack"
    first = written(pack, out)
    with pytest.raises(UserError, match="exists already"):
        written(pack, out, name="other")
    with pytest.raises(UserError, match="is wrong"):
        written(pack, out, neurons={"drums": "fc9:5"}, overwrite=True)
    assert Pack.load(out).hash == first.hash
    assert written(pack, out, name="other", overwrite=True).name == "other"
    assert [path.name for path in tmp_path.iterdir()] == ["pack"]
