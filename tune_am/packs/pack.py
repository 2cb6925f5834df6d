"""A prior, a classifier, its neurons and reference, as one checked folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tune_am.choices import PRIORS
from tune_am.errors import UserError
from tune_am.packs.device import device_of
from tune_am.packs.excerpts import Excerpts, load_excerpts, save_excerpts
from tune_am.packs.manifest import FILE, SCHEMA, Manifest, sha256_of
from tune_am.packs.neuron import Neuron, Tap
from tune_am.packs.pack_arguments import as_number
from tune_am.packs.place import expect_place
from tune_am.packs.positions import positions_of
from tune_am.packs.prior import Prior, prior_of
from tune_am.packs.promises import check_shapes
from tune_am.packs.reference import GROUPS, Reference
from tune_am.packs.rounding import expect_precise
from tune_am.packs.statistics import InputStatistics, load_statistics, save_statistics
from tune_am.packs.stored import load_network, load_tensors, save_network, save_tensors
from tune_am.packs.unlearned import UNLEARNED, prior_kind
from tune_am.whole import whole_folder

# Packs that come with the package, by name: a text. A path is always that of a folder.
SHIPPED = {"vocal": Path(__file__).parent.parent / "vocal" / "pack"}

CLASSIFIER, GENERATOR, REFERENCE, EXCERPTS, STATISTICS = (
    f"{part}.safetensors"
    for part in ("classifier", "generator", "reference", "excerpts", "statistics")
)

# A pack without statistics of real inputs takes them of its excerpts if it may show so many, else
# of so many inputs that its generator makes.
_FEWEST, _DRAWN = 32, 256


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
    described: Manifest  # what code relies on in it
    prior_kind: str = PRIORS[0]  # which of `PRIORS` the prior is

    @classmethod
    def load(
        cls,
        source: str | Path,
        device: torch.device | str = "cpu",
        trust_code: bool = False,
        prior: str | None = None,
    ) -> Pack:
        """The pack named or in the folder `source`, every file and shape checked. A name is a text;
        a folder of the same name is a `Path`, or "./name".

        `prior` is one of `PRIORS`: "gan" the pack's own generator, "raw" the inputs themselves,
        "fourier" their Fourier coefficients; None is the pack's own, whichever it is. `trust_code`
        allows factories outside this package: their import runs the code of whoever
        wrote them. Raises `UserError`, one line that names the file and what to do.
        """
        shipped = SHIPPED.get(source) if isinstance(source, str) else None
        folder = shipped or Path(source)
        manifest = Manifest.read(folder)
        manifest.check_files(folder)
        classifier = load_network(folder, manifest.classifier, trust_code)
        generator = load_network(folder, manifest.prior, trust_code)
        own = prior_of(generator, manifest.latent)
        reference = load_tensors(folder / manifest.reference)
        check_shapes(folder, manifest, classifier, own, reference)
        own.positions = positions_of(manifest.raw["input"], manifest.input_shape)
        device = torch.device(device)
        pack = cls(
            name=manifest.name,
            path=folder.absolute(),  # which no shipped pack is called, wherever it is passed on
            hash=sha256_of(folder / FILE),
            device=device,
            input_shape=manifest.input_shape,
            layers=manifest.layers,
            neurons=manifest.neurons,
            classifier=classifier.to(device),
            prior=own.to(device),
            reference=Reference(
                {name: reference[name].to(device) for name in manifest.layers},
                manifest.before,
                reference.get(GROUPS),
            ),
            manifest=dict(manifest.raw),
            described=manifest,
            prior_kind=prior_kind(own),
        )
        return pack if prior in (None, pack.prior_kind) else pack._searched_by(str(prior))

    def _searched_by(self, kind: str) -> Pack:
        """The same pack with another prior."""
        if kind not in PRIORS:
            raise UserError(f"unknown prior {kind!r}; allowed: {', '.join(PRIORS)}")
        if kind not in UNLEARNED:
            raise UserError(
                f"the pack {self.path} has no generator: its own prior is {self.prior_kind}"
            )
        prior = UNLEARNED[kind].of(self.statistics).requires_grad_(False)
        prior.positions = self.prior.positions
        return replace(self, prior=prior.to(self.device), prior_kind=kind)

    def neuron(self, name: str) -> Neuron:
        """The neuron called `name` ("vocal", "fc8:12"); `UserError` when there is none."""
        return Neuron.parse(name, self.neurons, self.layers)

    @cached_property
    def excerpts(self) -> Excerpts | None:
        """Real excerpts to show beside what is synthesised, read when first asked for.

        None where the pack has none; `UserError` when they are not as pack.json says.
        """
        entry = self.described.showable
        return None if entry is None else load_excerpts(self.path, entry, self.input_shape)

    @cached_property
    @torch.no_grad()
    def statistics(self) -> InputStatistics:
        """What real inputs are like, as far as the pack knows; `UserError` when it says nonsense.

        Those in the pack, else of its excerpts, else of what its own generator makes.
        """
        manifest = self.described
        if manifest.statistics is not None:
            path = self.path / manifest.statistics
            return load_statistics(path, self.input_shape, manifest.bounds)
        if self.excerpts is not None and len(self.excerpts) >= _FEWEST:
            inputs = self.excerpts.inputs
        else:
            draws = self.prior.sample(_DRAWN, torch.Generator().manual_seed(0))
            inputs = torch.cat([self.prior(z) for z in draws.to(self.device).split(16)])
        return InputStatistics.of(inputs, manifest.bounds)


def write_pack(
    out: Path,
    *,
    name: str,
    classifier: nn.Module,
    classifier_config: Mapping[str, Any],
    generator: nn.Module,
    generator_config: Mapping[str, Any],
    latent: int | Sequence[int],
    input: Mapping[str, Any],
    layers: Sequence[str],
    neurons: Mapping[str, str],
    reference: Mapping[str, Tensor],
    before: Mapping[str, str] | None = None,
    groups: Tensor | None = None,
    excerpts: Tensor | None = None,
    credits: Sequence[str] = (),
    statistics: InputStatistics | None = None,
    about: Mapping[str, Any] | None = None,
    files: Sequence[Path] = (),
    dtype: torch.dtype | None = None,
    overwrite: bool = False,
) -> Pack:
    """Write the pack to the folder `out` and load it from there.

    classifier, generator: networks whose classes, called with their config, give them again.
    latent: length of a latent, or its shape. input: "shape", "domain" (how it is drawn), "range"
    ([low, high], null for no bound) and whatever else says what an input is. layers: the names to
    offer, in the order in which they run. neurons: alias -> "layer:unit". reference: layer ->
    [excerpts, units], from `reference.collect`; float16 halves the file. before: layer -> the one
    that feeds it, where that is not the one before it in the run order. groups: [excerpts]
    integers, as of `Reference`. excerpts: real inputs [n, *shape] that may be shown, kept in a byte
    a value; credits: a line for each. statistics: those of real inputs, for priors that no network
    learnt. about: more entries of pack.json (licences, sources, training, metrics). files: to copy
    beside them (data card, pictures). dtype: to store the networks' parameters in; float16 halves
    the files, and the networks compute in float32 all the same.

    The folder appears whole or not at all. Raises `UserError` when it exists, unless `overwrite`,
    and where `dtype` makes other networks of them.
    """
    out = Path(out).absolute()
    expect_place(out, overwrite)
    with whole_folder(out) as folder:
        taken = {FILE, CLASSIFIER, GENERATOR, REFERENCE, EXCERPTS, STATISTICS}
        for file in map(Path, files):
            if file.name in taken:
                raise UserError(f"files: {file}: the pack has a {file.name} already: rename it")
            taken.add(file.name)
            shutil.copy(file, folder)
        save_network(classifier, folder / CLASSIFIER, dtype)
        save_network(generator, folder / GENERATOR, dtype)
        grouped = {} if groups is None else {GROUPS: groups}
        kept = {layer: reference[layer] for layer in layers}
        save_tensors({**kept, **grouped}, folder / REFERENCE)
        shown = {}
        if excerpts is not None:
            shown = {"excerpts": save_excerpts(excerpts, tuple(credits), folder / EXCERPTS)}
        if statistics is not None:
            save_statistics(statistics, folder / STATISTICS)
            shown["statistics"] = {"file": STATISTICS}
        manifest = {
            "schema": SCHEMA,
            "name": name,
            "input": dict(input),
            "latent": list(latent) if isinstance(latent, Sequence) else latent,
            "classifier": _entry(classifier, classifier_config, CLASSIFIER),
            "prior": _entry(generator, generator_config, GENERATOR),
            "layers": _described(classifier, layers, input["shape"], before or {}),
            "neurons": dict(neurons),
            "reference": {"file": REFERENCE, "excerpts": len(reference[layers[0]])},
            **shown,
            **(about or {}),
            "sha256": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
        }
        (folder / FILE).write_text(
            json.dumps(manifest, indent=2, default=as_number) + "\n", encoding="utf-8"
        )
        stored = _expect_sound(folder)
        if dtype is not None:
            own = prior_of(generator.eval(), stored.described.latent)
            networks = (own, classifier), (stored.prior, stored.classifier)
            expect_precise(dtype, *networks, stored.reference)
    return Pack.load(out, trust_code=True)


def _expect_sound(folder: Path) -> Pack:
    """The pack in `folder`, which will be gone by then; `UserError` unless it can be loaded."""
    try:
        # Whoever writes a pack vouches for its code.
        pack = Pack.load(folder, trust_code=True)
        pack.excerpts  # noqa: B018 (reading checks them)
    except UserError as error:
        raise UserError(str(error).replace(f"{folder}{os.sep}", "")) from None
    return pack


def _entry(network: nn.Module, config: Mapping[str, Any], weights: str) -> dict[str, Any]:
    kind = type(network)
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        raise UserError(
            f"{kind.__qualname__} cannot be found again by who loads the pack: move the class to "
            "the top of a module of its own, which can be imported there"
        )
    return {
        "factory": f"{kind.__module__}:{kind.__qualname__}",
        "config": dict(config),
        "weights": weights,
    }


@torch.no_grad()
def _described(
    classifier: nn.Module, layers: Sequence[str], shape: Sequence[int], before: Mapping[str, str]
) -> list[dict[str, Any]]:
    x = torch.zeros(2, *shape, dtype=torch.float32, device=device_of(classifier))
    outputs = Tap(classifier.eval(), layers)(x)
    return [
        {
            "name": layer,
            "units": output.shape[1],
            **({"before": before[layer]} if layer in before else {}),
        }
        for layer, output in outputs.items()
    ]
