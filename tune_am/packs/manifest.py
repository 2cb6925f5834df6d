"""pack.json: what a pack says about itself."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from tune_am.errors import UserError, reason

FILE = "pack.json"
SCHEMA = 1

# What it says of itself.
ENTRIES = (
    *("schema", "name", "input", "latent", "classifier", "prior", "layers", "neurons"),
    *("reference", "excerpts", "statistics", "sha256"),
)


@dataclass(frozen=True)
class NetworkEntry:
    """How to rebuild one network: ``factory(**config)`` with the tensors of the file `weights`."""

    factory: str  # "module:Class"
    config: dict[str, Any]
    weights: str

    @property
    def foreign(self) -> bool:
        """Whether the class is code outside this package, which is imported with consent only."""
        return self.factory.partition(":")[0].split(".")[0] != "tune_am"


@dataclass(frozen=True)
class ExcerptsEntry:
    """Where the showable excerpts are, a credit for each, and the range that their codes span.

    range: lowest and highest, where one is said for all values, as in packs of earlier versions;
    else the file has one for each.
    """

    file: str
    range: tuple[float, float] | None
    credits: tuple[str, ...]

    @classmethod
    def from_raw(cls, raw: Mapping[str, Any]) -> ExcerptsEntry:
        credits, ends = raw["credits"], None
        if "low" in raw or "high" in raw:
            low, high = ends = float(raw["low"]), float(raw["high"])
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise ValueError(f"excerpts from {low} to {high}")
        if not isinstance(credits, list) or not credits:
            raise ValueError("excerpts without credits")
        return cls(str(raw["file"]), ends, tuple(str(line) for line in credits))


@dataclass(frozen=True)
class Manifest:
    """What code relies on in pack.json; `raw` is all of it (licences, sources, metrics)."""

    name: str
    input_shape: tuple[int, ...]
    latent: tuple[int, ...]
    classifier: NetworkEntry
    prior: NetworkEntry
    layers: dict[str, int]  # layer -> units, in the order in which they run
    before: dict[str, str]  # layer -> what feeds it, where not the one before it in that order
    neurons: dict[str, str]  # alias -> "layer:unit"
    reference: str
    excerpts: int
    showable: ExcerptsEntry | None  # real excerpts to show; a pack need not have any
    statistics: str | None  # file of those of real inputs; a pack need not have it
    bounds: tuple[float | None, float | None]  # lowest and highest value of an input, if said
    sha256: dict[str, str]  # file -> digest, of every file of the pack but pack.json
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of the pack in `folder`, its files not yet looked at. Raises `UserError`."""
        path = folder / FILE
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(
                f"no pack in {folder}: it has no {FILE}; give the folder of one"
            ) from None
        except NotADirectoryError:
            raise UserError(f"{folder} is a file; give the folder of a pack") from None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
        except ValueError as error:
            raise UserError(
                f"{path}: cannot be read ({reason(error, kind=True)}); get the pack again"
            ) from None
        schema = raw.get("schema") if isinstance(raw, dict) else None
        if schema != SCHEMA:
            raise UserError(
                f"{path}: schema {schema!r} is unknown, this version reads {SCHEMA}; "
                "get a pack of that schema or update tune-am"
            )
        try:
            manifest = cls._from_raw(raw)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"{path}: is no complete description of a pack ({reason(error, kind=True)})"
            ) from None
        manifest._check_names(path)
        return manifest

    @classmethod
    def _from_raw(cls, raw: dict[str, Any]) -> Manifest:
        return cls(
            name=str(raw["name"]),
            input_shape=tuple(int(size) for size in raw["input"]["shape"]),
            latent=_sizes(raw["latent"]),
            classifier=NetworkEntry(**raw["classifier"]),
            prior=NetworkEntry(**raw["prior"]),
            layers={str(layer["name"]): int(layer["units"]) for layer in raw["layers"]},
            before=_before(raw["layers"]),
            neurons={str(alias): str(unit) for alias, unit in raw["neurons"].items()},
            reference=str(raw["reference"]["file"]),
            excerpts=int(raw["reference"]["excerpts"]),
            showable=ExcerptsEntry.from_raw(raw["excerpts"]) if "excerpts" in raw else None,
            statistics=str(raw["statistics"]["file"]) if "statistics" in raw else None,
            bounds=_bounds(raw["input"].get("range", (None, None))),
            sha256=dict(raw["sha256"].items()),
            raw=raw,
        )

    def _check_names(self, path: Path) -> None:
        """Every file is a plain name in the pack's own folder, and those needed have a digest."""
        for file in self.sha256:
            if file in ("", ".", "..") or PurePath(file).name != file or "\\" in file:
                raise UserError(f"{path}: names the file {file!r} outside the pack; do not use it")
        needed = [self.classifier.weights, self.prior.weights, self.reference]
        needed += [self.showable.file] if self.showable else []
        for file in needed + ([self.statistics] if self.statistics else []):
            if file not in self.sha256:
                raise UserError(f"{path}: has no sha256 of {file}; get the pack again")

    def check_files(self, folder: Path) -> None:
        """Raises `UserError` when a file of the pack is missing, truncated or altered."""
        for file, expected in self.sha256.items():
            path = folder / file
            if not path.is_file():
                raise UserError(f"{path}: is missing; get the pack again")
            if sha256_of(path) != expected:
                raise UserError(
                    f"{path}: is truncated or altered (its sha256 is not the one in {FILE}); "
                    "get the pack again"
                )


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sizes(latent: int | list[int]) -> tuple[int, ...]:
    """The shape of a latent, of which a vector's may be written as its length."""
    return (latent,) if isinstance(latent, int) else tuple(int(size) for size in latent)


def _before(layers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    names = [layer["name"] for layer in layers]
    before = {layer["name"]: layer["before"] for layer in layers if "before" in layer}
    for name, feeding in before.items():
        if feeding not in names[: names.index(name) + 1]:
            raise ValueError(f"{feeding!r} is no layer before {name!r}")
    return before


def _bounds(pair: Sequence[float | None]) -> tuple[float | None, float | None]:
    low, high = (None if bound is None else float(bound) for bound in pair)
    if (low is not None and high is not None and not low < high) or any(
        bound is not None and not math.isfinite(bound) for bound in (low, high)
    ):
        raise ValueError(f"input range {list(pair)}")
    return low, high
