"""Whether two computations of a network's outputs agree, up to round-off."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tune_am.errors import UserError, reason

# How far they may be apart, as a share of the largest value; the floor is for layers that are zero.
_TOLERANCE, _FLOOR = 1e-3, 1e-6


_TRACED = (
    "does the network draw random numbers? give the module with its config, to store it as class "
    "and weights"
)


def expect_same(what: str, found: Tensor, expected: Tensor, hint: str = _TRACED) -> None:
    """`UserError` unless the stored network gives `found` where the original gives `expected`.

    hint: what may be the cause, and what to do.
    """
    if agree(found, expected):
        return
    if found.shape == expected.shape:
        error = f"is {float((found - expected).abs().max()):.3g} off"
    else:
        error = f"has the shape {list(found.shape)}, not {list(expected.shape)},"
    raise UserError(f"{what} {error} once stored: {hint}")


def expect_one_answer(read: Callable[[Tensor], Mapping[str, Tensor]], x: Tensor) -> None:
    """`UserError` where an output of `read`, named, changes from call to call for the same `x`,
    though PyTorch draws the same random numbers: nothing that is stored could do that."""
    devices = [x.device] if x.is_cuda else []
    answers = []
    for _ in range(2):
        with torch.random.fork_rng(devices):
            # Those that are put back alone: torch.manual_seed would seed every GPU's.
            torch.default_generator.manual_seed(0)
            for device in devices:
                torch.cuda.default_generators[device.index].manual_seed(0)
            answers.append(read(x))
    for what, values in answers[0].items():
        # Without a NaN, which would not agree with itself: it is told elsewhere.
        if not agree(answers[1][what].nan_to_num(), values.nan_to_num()):
            raise UserError(
                f"{what} gives two answers for one input: does forward() count its calls, or draw "
                "from a random generator of its own? let it change nothing that lasts"
            )


def expect_each_alone(read: Callable[[Tensor], Mapping[str, Tensor]], x: Tensor) -> None:
    """`UserError` where an output of `read`, named, depends on what else is in its batch `x`.

    An ascent advances its starts in chunks, which must not change them. Of a network that draws
    random numbers nothing can be told so.
    """
    together, again = read(x), read(x)
    try:
        parts = [read(one) for one in x.split(1)]
    except Exception as error:  # whatever a user's network raises
        what = next(iter(together))
        said = reason(error, kind=True)
        raise UserError(f"{what} cannot be read for one alone: {said}") from None
    for what, values in together.items():
        one = parts[0][what]
        if one.shape[1:] != values.shape[1:]:
            raise UserError(
                f"{what} has the shape {list(one.shape)} for one alone, {list(values.shape)} for "
                f"{len(x)}: does the network squeeze() all axes? name those that it shall drop"
            )
        alone = torch.cat([part[what] for part in parts])
        if agree(again[what], values) and not agree(alone, values):
            raise UserError(
                f"{what} is not the same for one alone as in a batch: let the network standardise "
                "by statistics that it has learnt (BatchNorm with track_running_stats=True)"
            )


def agree(found: Tensor, expected: Tensor) -> bool:
    """Whether both are the same, up to round-off."""
    if found.shape != expected.shape:
        return False
    error, largest = (found - expected).abs().max(), expected.abs().max()
    return bool(error <= _TOLERANCE * largest.clamp_min(_FLOOR))  # a NaN does not agree
