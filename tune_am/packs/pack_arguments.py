"""What `make_pack` is called with, checked before anything is computed."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tune_am.errors import UserError
from tune_am.packs.manifest import ENTRIES

_OF_AN_INPUT = ("domain", "range", "units", "shape", "sample_rate")


def check_arguments(
    neurons: object,
    layers: object,
    latent: object,
    input: object,
    credits: object,
    about: object,
    dtype: object,
) -> None:
    """Raise `UserError`, one line, for what `make_pack` cannot take, whatever the networks are."""
    if not isinstance(neurons, Mapping):
        raise UserError(f"neurons={neurons!r}: must be a dict of names to layer:unit")
    for alias, unit in neurons.items():
        if not (isinstance(alias, str) and alias) or "," in alias or ":" in alias:
            raise UserError(
                f"neurons: the name {alias!r} must be a text without comma and colon, which name "
                "units and lists of them"
            )
        if not isinstance(unit, str):
            raise UserError(f"neurons: {alias!r} is {unit!r}, not a text layer:unit")
    if layers is not None and (isinstance(layers, str) or not isinstance(layers, Sequence)):
        raise UserError(f"layers={layers!r}: must be a list of names of modules")
    sizes = [latent] if isinstance(latent, Integral) else latent
    if sizes is not None and not (
        isinstance(sizes, tuple | list)
        and all(isinstance(size, Integral) and int(size) > 0 for size in sizes)
    ):
        raise UserError(f"latent={latent!r}: must be a length above 0, or a shape of such")
    if credits is not None and not (isinstance(credits, str) and credits.strip()):
        raise UserError(f"credits={credits!r}: must be a line of text")
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise UserError(f"dtype={dtype!r}: must be a type of real numbers, torch.float16 for one")
    _check_about(about)
    _check_input(input)


def check_stored(configs: Mapping[str, object], files: object) -> None:
    """Raise `UserError` where a config is no dict that JSON can hold, or a file is not there."""
    for name, config in configs.items():
        if config is None:
            continue
        if not isinstance(config, Mapping):
            raise UserError(f"{name}={config!r}: must be a dict of what the class is called with")
        _expect_json(name, config)
    if isinstance(files, str | PathLike) or not isinstance(files, Sequence):
        raise UserError(f"files={files!r}: must be a list of files")
    for file in files:
        if not isinstance(file, str | PathLike) or not Path(file).is_file():
            raise UserError(f"files: there is no file {str(file)!r}")


def as_number(value: object) -> int | float:
    """NumPy's numbers as Python's, for `json.dumps(default=...)`. Raises `TypeError`."""
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    kind = type(value).__name__
    raise TypeError(f"a {kind} is neither a text nor a number, nor a list or dict of such")


def check_aliases(neurons: Mapping[str, str], layers: Collection[str]) -> None:
    """Raise `UserError` where a neuron is called as a layer is."""
    if taken := [alias for alias in neurons if alias in layers]:
        raise UserError(f"neurons: {taken[0]!r} is the name of a layer: choose another")


def _check_about(about: object) -> None:
    if about is None:
        return
    if not isinstance(about, Mapping):
        raise UserError(f"about={about!r}: must be a dict of further entries of pack.json")
    if taken := sorted(set(ENTRIES) & set(about)):
        raise UserError(f"about: pack.json has an entry {taken[0]!r} of its own; name another")
    _expect_json("about", about)


def _expect_json(name: str, value: Mapping[Any, Any]) -> None:
    try:
        json.dumps(dict(value), default=as_number)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} cannot be written as JSON: {error}") from None


def _check_input(input: object) -> None:
    if input is None:
        return
    if not isinstance(input, Mapping):
        raise UserError(f"input={input!r}: must be a dict, for example {{'domain': 'image'}}")
    for key in input:
        close = get_close_matches(str(key), _OF_AN_INPUT, 1, 0.75)
        if key not in _OF_AN_INPUT and close:
            raise UserError(f"input: {key!r} says nothing; is {close[0]!r} meant?")
    ends = input.get("range", (None, None))
    numbers = isinstance(ends, tuple | list) and len(ends) == 2
    if not numbers or not all(end is None or _is_number(end) for end in ends):
        raise UserError(f"input: the range {ends!r} must be [low, high], None for no bound")
    low, high = ends
    if low is not None and high is not None and low >= high:
        raise UserError(f"input: the range {ends!r} has nothing between its ends")
    rate = input.get("sample_rate")
    if rate is not None and not (_is_number(rate) and rate >= 1):
        raise UserError(f"input: the sample_rate {rate!r} must be a number of Hz, at least 1")
    _expect_json("input", input)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def grouped_as(groups: Any, count: int) -> Tensor:
    """`groups` as a tensor [count] of integers. Raises `UserError` where it is something else."""
    try:
        numbers = torch.as_tensor(groups).cpu()
    except (TypeError, ValueError, RuntimeError):
        numbers = torch.empty(0)
    if numbers.dim() != 1 or numbers.is_floating_point() or numbers.is_complex():
        raise UserError("groups: must be an integer for each of real_data, as [0, 0, 1, 2, ...]")
    if len(numbers) != count:
        raise UserError(f"groups has {len(numbers)} numbers for {count} inputs of real_data")
    return numbers.long()
