"""What may be chosen by name, wherever it is asked for. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection

from tune_am.errors import UserError
from tune_am.naming import option

# Priors: the pack's own generator, or what no network learnt.
PRIORS = ("gan", "raw", "fourier")

# Directions, each with the sign of what is maximised.
SIGNS = {"max": 1.0, "min": -1.0}

DEVICES = ("auto", "cpu", "cuda")


def expect_one_of(name: str, value: str | None, allowed: Collection[str]) -> None:
    """`UserError` where the option `name` has another value than those allowed."""
    if value not in allowed:
        raise UserError(f"{option(name, value)}: must be one of {', '.join(allowed)}")


def expect_seed(seed: int) -> None:
    """`UserError` for what PyTorch does not take as a seed."""
    if not 0 <= seed < 2**63:
        raise UserError(f"{option('seed', seed)}: must be from 0 to 2^63 - 1")
