"""A pack is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from tune_am.errors import UserError
from tune_am.packs.pack import Pack, write_pack


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
    with pytest.raises(UserError, match=r"^pack\.json: the neuron 'drums' is wrong"):
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


def test_nothing_but_a_pack_is_replaced(tiny_pack: Path, tmp_path: Path) -> None:
    pack, out = Pack.load(tiny_pack), tmp_path / "pack"
    written(pack, out)
    (out / "thesis.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(written(pack, tmp_path / "linked").path)
    for place, said in (
        ("pack", r"holds more than a pack \(thesis.txt\), which would be lost"),
        ("folder", "folder exists and is no pack"),
        ("file", "file exists and is no pack"),
        ("link", "link is a link to a pack"),
        ("file/pack", "file is no folder"),
    ):
        with pytest.raises(UserError, match=said):
            written(pack, tmp_path / place, overwrite=True)
    assert (out / "thesis.txt").read_text() == (tmp_path / "file").read_text() == "mine"


def test_others_may_read_a_pack_as_the_mask_says(tiny_pack: Path, tmp_path: Path) -> None:
    """On a disk that the machines of a cluster share."""
    before = os.umask(0o027)
    try:
        out = written(Pack.load(tiny_pack), tmp_path / "pack").path
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in out.glob("*.safetensors")} == {0o640}
