"""A pack is loaded whole or refused with one line that names the file."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tune_am.errors import UserError
from tune_am.packs.pack import Pack, write_pack
from tune_am.vocal.nets import Detector, Generator


@pytest.fixture
def copy(tiny_pack: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(tiny_pack, tmp_path / "copy"))


def edit(pack: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change pack.json, as somebody would who knows what it must look like."""
    manifest = json.loads((pack / "pack.json").read_text())
    change(manifest)
    (pack / "pack.json").write_text(json.dumps(manifest))


def edit_tensors(
    pack: Path, file: str, change: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    """Change a tensor file, its digest in pack.json made to fit."""
    tensors = load_file(pack / file)
    change(tensors)
    save_file(tensors, pack / file)
    digest = hashlib.sha256((pack / file).read_bytes()).hexdigest()
    edit(pack, lambda manifest: manifest["sha256"].update({file: digest}))


def refusal(pack: Path, **options: bool) -> str:
    with pytest.raises(UserError) as caught:
        Pack.load(pack, **options)
    line = str(caught.value)
    assert "\n" not in line
    assert str(pack) in line
    return line


def test_what_was_written_is_what_is_loaded(tiny_pack: Path) -> None:
    pack = Pack.load(tiny_pack)
    assert (pack.name, pack.input_shape, pack.neurons) == ("tiny", (80, 115), {"vocal": "fc9:0"})
    assert list(pack.layers.items())[-2:] == [("fc8", 8), ("fc9", 1)]
    assert len(pack.reference) == 240
    assert list(pack.reference.activations) == list(pack.layers)
    assert pack.hash == hashlib.sha256((tiny_pack / "pack.json").read_bytes()).hexdigest()
    weights = load_file(tiny_pack / "classifier.safetensors")
    assert all(torch.equal(weights[k], v) for k, v in pack.classifier.state_dict().items())
    assert pack.prior(torch.zeros(3, 8)).shape == (3, 80, 115)
    networks = (pack.classifier, pack.prior)
    assert not any(module.training for network in networks for module in network.modules())
    assert not any(weight.requires_grad for network in networks for weight in network.parameters())


FILES = ["classifier.safetensors", "generator.safetensors", "reference.safetensors"]


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file(copy: Path, file: str) -> None:
    (copy / file).unlink()
    assert f"{file}: is missing; get the pack again" in refusal(copy)


@pytest.mark.parametrize("file", FILES)
def test_a_truncated_or_altered_file(copy: Path, file: str) -> None:
    whole = (copy / file).read_bytes()
    for damaged in (whole[:-1], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        (copy / file).write_bytes(damaged)
        assert f"{file}: is truncated or altered" in refusal(copy)


def test_no_pack_at_all(tmp_path: Path) -> None:
    assert "has no pack.json" in refusal(tmp_path)
    assert "has no pack.json" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot be read (JSONDecodeError: Expecting value"),
        ('{"schema": 1', "cannot be read (JSONDecodeError: Expecting ',' delimiter"),
        ("\udcff", "cannot be read (UnicodeDecodeError: "),
        ("[]", "schema None is unknown"),
    ],
)
def test_a_pack_json_that_is_none(copy: Path, text: str, why: str) -> None:
    (copy / "pack.json").write_bytes(text.encode(errors="surrogateescape"))
    assert f"pack.json: {why}" in refusal(copy)


@pytest.mark.parametrize("schema", [0, 2, "1", None])
def test_an_unknown_schema(copy: Path, schema: object) -> None:
    edit(copy, lambda manifest: manifest.update(schema=schema))
    line = refusal(copy)
    assert f"schema {schema!r} is unknown, this version reads 1" in line
    assert "update tune-am" in line


@pytest.mark.parametrize(
    "key",
    ["name", "input", "latent", "classifier", "prior", "layers", "neurons", "reference", "sha256"],
)
def test_an_incomplete_description(copy: Path, key: str) -> None:
    edit(copy, lambda manifest: manifest.pop(key))
    assert f"no complete description of a pack (KeyError: '{key}')" in refusal(copy)


@pytest.mark.parametrize(
    "key", ["input", "classifier", "prior", "layers", "neurons", "reference", "sha256"]
)
def test_a_description_of_another_kind(copy: Path, key: str) -> None:
    edit(copy, lambda manifest: manifest.update({key: 7}))
    assert "no complete description" in refusal(copy)


@pytest.mark.parametrize("file", FILES[:2])
@pytest.mark.parametrize("value", [torch.nan, -torch.inf])
def test_a_non_finite_weight(copy: Path, file: str, value: float) -> None:
    edit_tensors(copy, file, lambda tensors: tensors["mean"].fill_(value))
    line = refusal(copy)
    # Infinite ones may be a mask: what is computed with them tells. This generator clamps it.
    clamped = file == FILES[1] and value == -torch.inf
    said = "makes the same input of every start" if clamped else "holds a non-finite value"
    assert f"{copy / file}: " in line
    assert f"{said}; get or train a sound pack" in line


def test_weights_that_do_not_fit(copy: Path) -> None:
    edit_tensors(copy, FILES[0], lambda tensors: tensors.pop("fc9.bias"))
    line = refusal(copy)
    assert f"{FILES[0]}: does not fit tune_am.vocal.nets:Detector" in line
    assert "fc9.bias" in line
    edit(copy, lambda manifest: manifest["classifier"]["config"].update(volume=11))
    assert "volume" in refusal(copy)


def test_tensors_that_are_none(copy: Path) -> None:
    (copy / FILES[1]).write_bytes(b"not safetensors")
    digest = hashlib.sha256(b"not safetensors").hexdigest()
    edit(copy, lambda manifest: manifest["sha256"].update({FILES[1]: digest}))
    assert f"{FILES[1]}: is not safetensors" in refusal(copy)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m.update(latent=9), "do not run as described"),
        (lambda m: m["input"].update(shape=[80, 114]), "the input shape [80, 114]"),
        (lambda m: m["layers"][0].update(units=5), "the units of conv1 5, the files give 4"),
        (lambda m: m["layers"].append({"name": "fc10", "units": 1}), "do not run as described"),
        (lambda m: m["layers"].append({"name": "dropout", "units": 8}), "a reference of dropout"),
        (lambda m: m["reference"].update(excerpts=241), "a reference of conv1 [241, 4]"),
        (lambda m: m["neurons"].update(drums="fc9:1"), "the neuron 'drums' is wrong"),
    ],
)  # fmt: skip
def test_promises_that_the_files_do_not_keep(copy: Path, change, why: str) -> None:
    edit(copy, change)
    line = refusal(copy)
    assert why in line
    assert line.count(str(copy)) == 1


@pytest.mark.parametrize("file", ["../outside.bin", "/etc/hosts", "sub/file", "..", "a\\b"])
def test_a_file_outside_the_pack(copy: Path, file: str) -> None:
    edit(copy, lambda manifest: manifest["sha256"].update({file: "0"}))
    assert "outside the pack" in refusal(copy)


def test_a_file_without_a_digest(copy: Path) -> None:
    edit(copy, lambda manifest: manifest["sha256"].pop(FILES[0]))
    assert f"no sha256 of {FILES[0]}" in refusal(copy)


def test_foreign_code_runs_with_consent_only(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "foreign_nets.py").write_text("from tune_am.vocal.nets import Generator\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    edit(copy, lambda manifest: manifest["prior"].update(factory="foreign_nets:Generator"))
    line = refusal(copy)
    assert "'foreign_nets:Generator' is foreign code" in line
    assert "trust_code" in line
    assert "foreign_nets" not in sys.modules
    assert Pack.load(copy, trust_code=True).name == "tiny"


@pytest.mark.parametrize(
    "factory",
    [
        "tune_am.packs.pack:write_pack",
        "tune_am.packs.pack:shutil.rmtree",
        "tune_am.vocal.nets:LOG_FLOOR",
        "tune_am.vocal.nets:Nothing",
        "tune_am.nowhere:Detector",
        "tune_am",
        "tune_amiable:Detector",
        "",
    ],
)
def test_a_factory_is_a_class_of_networks_of_this_package(copy: Path, factory: str) -> None:
    edit(copy, lambda manifest: manifest["prior"].update(factory=factory))
    assert f"factory {factory!r}" in refusal(copy)


def test_weights_stored_in_half_compute_in_float32(tmp_path: Path) -> None:
    classifier_config = {"channels": [4, 4, 8, 8], "dense": [16, 8]}
    classifier, generator = Detector(**classifier_config), Generator(latent=8, channels=16)
    written = write_pack(
        tmp_path / "half",
        name="half",
        classifier=classifier,
        classifier_config=classifier_config,
        generator=generator,
        generator_config={"latent": 8, "channels": 16},
        latent=8,
        input={"shape": [80, 115]},
        layers=["fc8", "fc9"],
        neurons={},
        reference={"fc8": torch.zeros(100, 8), "fc9": torch.zeros(100, 1)},
        dtype=torch.float16,
    )
    stored = load_file(tmp_path / "half" / "classifier.safetensors")
    loaded = written.classifier.state_dict()
    buffers = {"mean", "std"}
    for name, weight in classifier.state_dict().items():
        assert stored[name].dtype == (torch.float32 if name in buffers else torch.float16)
        assert loaded[name].dtype == torch.float32
        assert torch.equal(loaded[name], weight.half().float())
    assert written.prior(torch.zeros(2, 8)).dtype == torch.float32


def test_a_folder_called_as_the_shipped_pack_is_a_path(
    tiny_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_pack, "vocal")
    for folder in (Path("vocal"), "./vocal"):
        assert Pack.load(folder).name == "tiny"
    # Passed on as a text it still is that folder.
    assert Pack.load(str(Pack.load(Path("vocal")).path)).name == "tiny"
