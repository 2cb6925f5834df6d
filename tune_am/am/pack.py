"""A prior, a classifier, its neurons and reference, as one checked folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.am.excerpts import Excerpts, load_excerpts, save_excerpts
from tune_am.am.manifest import FILE, SCHEMA, ExcerptsEntry, Manifest, sha256_of
from tune_am.am.neuron import Neuron, Tap
from tune_am.am.prior import GeneratorPrior, Prior
from tune_am.am.reference import Reference
from tune_am.am.stored import load_network, load_tensors, save_tensors
from tune_am.errors import UserError

# Packs that come with the package, by name.
SHIPPED = {"vocal": Path(__file__).parent.parent / "vocal" / "pack"}

CLASSIFIER, GENERATOR, REFERENCE, EXCERPTS = (
    f"{part}.safetensors" for part in ("classifier", "generator", "reference", "excerpts")
)


@dataclass(frozen=True, eq=False)
class Pack:
    """What a search needs to know about a model. Networks are in evaluation mode, weights frozen.

    hash: sha256 of pack.json, which holds that of every other file.
    """

    name: str
    path: Path
    hash: str
    device: torch.device
    input_shape: tuple[int, ...]
    layers: dict[str, int]  # layer -> units, in the order in which they run
    neurons: dict[str, str]  # alias -> "layer:unit"
    classifier: nn.Module  # [n, *input_shape] -> any; read by layer
    prior: Prior  # [n, *latent_shape] -> [n, *input_shape]
    reference: Reference
    manifest: dict[str, Any]  # pack.json, whole

    @classmethod
    def load(
        cls,
        source: str | Path,
        device: torch.device | str = "cpu",
        trust_code: bool = False,
    ) -> Pack:
        """The pack named or in the folder `source`, every file and shape checked.

        `trust_code` allows factories outside this package: their import runs the code of whoever
        wrote them. Raises `UserError`, one line that names the file and what to do.
        """
        folder = SHIPPED.get(str(source), Path(source))
        manifest = Manifest.read(folder)
        manifest.check_files(folder)
        classifier = load_network(folder, manifest.classifier, trust_code)
        generator = load_network(folder, manifest.prior, trust_code)
        prior = (
            generator
            if isinstance(generator, Prior)
            else GeneratorPrior(generator, manifest.latent).eval()
        )
        reference = load_tensors(folder / manifest.reference)
        _check_shapes(folder, manifest, classifier, prior, reference)
        device = torch.device(device)
        return cls(
            name=manifest.name,
            path=folder,
            hash=sha256_of(folder / FILE),
            device=device,
            input_shape=manifest.input_shape,
            layers=manifest.layers,
            neurons=manifest.neurons,
            classifier=classifier.to(device),
            prior=prior.to(device),
            reference=Reference({name: reference[name].to(device) for name in manifest.layers}),
            manifest=dict(manifest.raw),
        )

    def neuron(self, name: str) -> Neuron:
        """The neuron called `name` ("vocal", "fc8:12"); `UserError` when there is none."""
        return Neuron.parse(name, self.neurons, self.layers)

    @cached_property
    def excerpts(self) -> Excerpts | None:
        """Real excerpts to show beside what is synthesised, read when first asked for.

        None where the pack has none; `UserError` when they are not as pack.json says.
        """
        if "excerpts" not in self.manifest:
            return None
        entry = ExcerptsEntry.from_raw(self.manifest["excerpts"])
        return load_excerpts(self.path, entry, self.input_shape)


@torch.no_grad()
def _check_shapes(
    folder: Path,
    manifest: Manifest,
    classifier: nn.Module,
    prior: Prior,
    reference: dict[str, Tensor],
) -> None:
    """One pass from latent to layers: every shape is the one that pack.json promises."""
    path = folder / FILE

    def expect(what: str, found: object, promised: object) -> None:
        if found != promised:
            raise UserError(f"{path}: promises {what} {promised}, the files give {found}")

    expect("the latent shape", list(prior.latent_shape), [manifest.latent])
    try:
        inputs = prior(torch.zeros(2, *prior.latent_shape))
        expect("the input shape", list(inputs.shape[1:]), list(manifest.input_shape))
        layers = Tap(classifier, list(manifest.layers))(inputs)
    except (RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: its networks do not run as described: {reason}") from None
    for name, units in manifest.layers.items():
        expect(f"the units of {name}", layers[name].shape[1], units)
        found = list(reference[name].shape) if name in reference else None
        expect(f"a reference of {name}", found, [manifest.excerpts, units])
    for alias, unit in manifest.neurons.items():
        try:
            Neuron.parse(unit, {}, manifest.layers)
        except UserError as error:
            raise UserError(f"{path}: the neuron {alias!r} is wrong: {error}") from None


def write_pack(
    out: Path,
    *,
    name: str,
    classifier: nn.Module,
    classifier_config: Mapping[str, Any],
    generator: nn.Module,
    generator_config: Mapping[str, Any],
    latent: int,
    input: Mapping[str, Any],
    layers: Sequence[str],
    neurons: Mapping[str, str],
    reference: Mapping[str, Tensor],
    excerpts: Tensor | None = None,
    credits: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
    files: Sequence[Path] = (),
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
) -> Pack:
    """Write the pack to the folder `out` and load it from there.

    classifier, generator: networks whose classes, called with their config, give them again.
    input: "shape" and whatever says what an input is (units, sample rate). layers: the names to
    offer, in the order in which they run. neurons: alias -> "layer:unit". reference: layer ->
    [excerpts, units], from `reference.collect`; float16 halves the file. excerpts: real inputs
    [n, *shape] that may be shown, kept in a byte a value; credits: a line for each. about: more
    entries of pack.json (licences, sources, training, metrics). files: to copy beside them (data
    card, pictures). dtype: to store the networks in; float16 halves the files, and the networks
    compute in float32 all the same.

    The folder appears whole or not at all. Raises `UserError` when it exists, unless `overwrite`.
    """
    out = Path(out).absolute()
    if out.exists() and not overwrite:
        raise UserError(f"{out}: exists already; name another folder or ask to overwrite it")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        folder = Path(scratch) / "pack"
        folder.mkdir()
        for file in files:
            shutil.copy(file, folder)
        save_tensors(classifier.state_dict(), folder / CLASSIFIER, dtype)
        save_tensors(generator.state_dict(), folder / GENERATOR, dtype)
        save_tensors({layer: reference[layer] for layer in layers}, folder / REFERENCE)
        shown = {}
        if excerpts is not None:
            shown = {"excerpts": save_excerpts(excerpts, tuple(credits), folder / EXCERPTS)}
        manifest = {
            "schema": SCHEMA,
            "name": name,
            "input": dict(input),
            "latent": latent,
            "classifier": _entry(classifier, classifier_config, CLASSIFIER),
            "prior": _entry(generator, generator_config, GENERATOR),
            "layers": _units(classifier, layers, input["shape"]),
            "neurons": dict(neurons),
            "reference": {"file": REFERENCE, "excerpts": len(reference[layers[0]])},
            **shown,
            **(about or {}),
            "sha256": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
        }
        (folder / FILE).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        # Whoever writes a pack vouches for its code.
        Pack.load(folder, trust_code=True).excerpts  # noqa: B018 (reading checks them)
        if out.exists():
            out.rename(Path(scratch) / "old")
        folder.rename(out)
    return Pack.load(out, trust_code=True)


def _entry(network: nn.Module, config: Mapping[str, Any], weights: str) -> dict[str, Any]:
    kind = type(network)
    return {
        "factory": f"{kind.__module__}:{kind.__qualname__}",
        "config": dict(config),
        "weights": weights,
    }


@torch.no_grad()
def _units(
    classifier: nn.Module, layers: Sequence[str], shape: Sequence[int]
) -> list[dict[str, Any]]:
    device = next(classifier.parameters()).device
    outputs = Tap(classifier.eval(), layers)(torch.zeros(2, *shape, device=device))
    return [{"name": layer, "units": output.shape[1]} for layer, output in outputs.items()]
