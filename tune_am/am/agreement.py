"""Whether two computations of a network's outputs agree, up to round-off."""

from __future__ import annotations

from torch import Tensor

from tune_am.errors import UserError

# How far they may be apart, as a share of the largest value; the floor is for layers that are zero.
_TOLERANCE, _FLOOR = 1e-3, 1e-6


def expect_same(what: str, found: Tensor, expected: Tensor) -> None:
    """`UserError` unless the stored network gives `found` where the original gives `expected`."""
    if _agree(found, expected):
        return
    if found.shape == expected.shape:
        error = f"is {float((found - expected).abs().max()):.3g} off"
    else:
        error = f"has the shape {list(found.shape)}, not {list(expected.shape)},"
    raise UserError(
        f"{what} {error} once stored: does the network draw random numbers? give its config, to "
        "store it as class and weights"
    )


def _agree(found: Tensor, expected: Tensor) -> bool:
    if found.shape != expected.shape:
        return False
    error, largest = (found - expected).abs().max(), expected.abs().max()
    return bool(error <= _TOLERANCE * largest.clamp_min(_FLOOR))  # a NaN does not agree
