"""Real excerpts that a pack may show, in one byte a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tune_am.am.manifest import FILE, ExcerptsEntry
from tune_am.am.stored import load_tensors, save_tensors
from tune_am.counting import counted
from tune_am.errors import UserError

_TENSOR = "excerpts"
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

    A value is ``low + code * (high - low) / 255``: at most half a 255th of the range off, which for
    log-mel is 0.04 nats. Raises `UserError` unless they are finite and each has its line of credit.
    """
    if len(inputs) == 0 or len(credits) != len(inputs):
        found = f"{counted(len(inputs), 'excerpt')} with {counted(len(credits), 'credit')}"
        raise UserError(f"{found}: each needs its own")
    if not all(line.strip() and line.isprintable() for line in credits):
        raise UserError("a credit is empty or longer than one line: say whose excerpt it is")
    if not torch.isfinite(inputs).all():
        raise UserError("an excerpt holds a non-finite value: leave it out")
    low, high = float(inputs.min()), float(inputs.max())
    codes = ((inputs.double() - low) / max(high - low, 1e-12) * _LEVELS).round().to(torch.uint8)
    save_tensors({_TENSOR: codes}, path)
    return {"file": path.name, "low": low, "high": high, "credits": list(credits)}


def load_excerpts(folder: Path, entry: ExcerptsEntry, shape: tuple[int, ...]) -> Excerpts:
    """The excerpts of the pack in `folder`, whose inputs have `shape`. Raises `UserError`."""
    path = folder / entry.file
    codes = load_tensors(path).get(_TENSOR)
    promised = [len(entry.credits), *shape]
    found = None if codes is None else [str(codes.dtype), *codes.shape]
    if codes is None or found != ["torch.uint8", *promised]:
        raise UserError(f"{path}: {FILE} promises uint8 excerpts {promised}, it holds {found}")
    step = (entry.high - entry.low) / _LEVELS
    return Excerpts((entry.low + step * codes.double()).float(), entry.credits)
