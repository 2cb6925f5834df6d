"""Real excerpts that a pack may show, in one byte a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tune_am.counting import counted
from tune_am.errors import UserError
from tune_am.packs.manifest import FILE, ExcerptsEntry
from tune_am.packs.stored import load_tensors, save_tensors

_TENSOR, _LOW, _HIGH = "excerpts", "low", "high"
_LEVELS = 255


@dataclass(frozen=True, eq=False)
class Excerpts:
    """inputs: [n, *input_shape] float32. credits: one line for each, as its licence asks for."""

    inputs: Tensor
    credits: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.credits)


def save_excerpts(inputs: Tensor, credits: tuple[str, ...], path: Path) -> dict[str, Any]:
    """Write `inputs: [n, *input_shape]` as uint8 codes; the entry for pack.json.

    A value is ``low + code * (high - low) / 255``, at most half a 255th of the range off. The range
    is of each value over the excerpts, low and high [*input_shape], since those of an input may be
    on scales of their own: an age beside a salary, sensors of different units. Raises `UserError`
    unless all are finite and each has its line of credit.
    """
    if len(inputs) == 0 or len(credits) != len(inputs):
        found = f"{counted(len(inputs), 'excerpt')} with {counted(len(credits), 'credit')}"
        raise UserError(f"{found}: each needs its own")
    if not all(line.strip() and line.isprintable() for line in credits):
        raise UserError("a credit is empty or longer than one line: say whose excerpt it is")
    if not torch.isfinite(inputs).all():
        raise UserError("an excerpt holds a non-finite value: leave it out")
    low, high = inputs.amin(0).double(), inputs.amax(0).double()
    shares = ((inputs - low) / (high - low)).nan_to_num(0)  # 0 / 0 where they are all alike
    codes = (shares * _LEVELS).round().to(torch.uint8)
    save_tensors({_TENSOR: codes, _LOW: low.float(), _HIGH: high.float()}, path)
    return {"file": path.name, "credits": list(credits)}


def load_excerpts(folder: Path, entry: ExcerptsEntry, shape: tuple[int, ...]) -> Excerpts:
    """The excerpts of the pack in `folder`, whose inputs have `shape`. Raises `UserError`."""
    path = folder / entry.file
    tensors = load_tensors(path)
    codes = tensors.get(_TENSOR)
    promised = [len(entry.credits), *shape]
    found = None if codes is None else [str(codes.dtype), *codes.shape]
    if codes is None or found != ["torch.uint8", *promised]:
        raise UserError(f"{path}: {FILE} promises uint8 excerpts {promised}, it holds {found}")
    low, high = _range(tensors, entry, shape, path)
    return Excerpts((low + (high - low) / _LEVELS * codes.double()).float(), entry.credits)


def _range(
    tensors: Mapping[str, Tensor], entry: ExcerptsEntry, shape: tuple[int, ...], path: Path
) -> tuple[Tensor, Tensor]:
    """Lowest and highest, of each value or of all, in float64."""
    if entry.range is not None:
        low, high = torch.tensor(entry.range, dtype=torch.float64)
        return low, high
    ends = [tensors.get(name, torch.empty(0)) for name in (_LOW, _HIGH)]
    found = [list(end.shape) for end in ends]
    if found != [list(shape)] * 2:
        raise UserError(f"{path}: holds low and high of shapes {found}, inputs are {list(shape)}")
    return ends[0].double(), ends[1].double()
