"""Small functions of the library."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tune_am.am.frechet import frechet_distance
from tune_am.errors import UserError
from tune_am.packs.pack import Pack


def load_pack(
    source: str | PathLike[str] = "vocal", device: str = "cpu", trust_code: bool = False
) -> Pack:
    """The pack of that name or in that folder, every file and shape checked (`UserError`).

    device: "cpu", "cuda" or "cuda:1", as PyTorch names it. trust_code: allow networks of code
    outside this package, which is run.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # the latter of a PyTorch built without CUDA
        raise UserError(
            f'device={device!r}: PyTorch sees no such device here; use "cpu" or, on a GPU, "cuda"'
        ) from None
    if torch.device(device).type not in ("cpu", "cuda"):  # Apple's has no float64
        raise UserError(f'device={device!r}: use "cpu" or, on a GPU, "cuda"')
    return Pack.load(source if isinstance(source, str) else Path(source), device, trust_code)


def activation_fid(x: Any, y: Any) -> float:
    """The score: the Fréchet distance between two sets of activations, [n] and [m], or [n, D] and
    [m, D], as tensors, arrays or lists; in squared units of the activation, computed in float64.

    For one neuron (m1 - m2)^2 + (s1 - s2)^2 of means and unbiased standard deviations. Raises
    `UserError` for sets of fewer than two, of other shapes, or with a non-finite value.
    """
    try:
        return frechet_distance(_numbers(x), _numbers(y))
    except (TypeError, ValueError) as error:
        raise UserError(f"activation_fid: {error}") from None


def _numbers(x: Any) -> torch.Tensor:
    """A tensor as it is, all else in float64. Raises `TypeError` or `ValueError`."""
    if isinstance(x, torch.Tensor):
        kind, real = x.dtype, not x.is_complex()
    else:
        if isinstance(x, list | tuple):
            x = [part.tolist() if isinstance(part, torch.Tensor) else part for part in x]
        x = np.asarray(x)
        kind, real = x.dtype, x.dtype.kind in "biuf"
    if not real:
        raise TypeError(f"activations are real numbers, not {kind}")
    return x if isinstance(x, torch.Tensor) else torch.from_numpy(x.astype(np.float64))
