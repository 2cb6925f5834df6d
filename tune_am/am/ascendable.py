"""Whether an ascent can climb through a user's networks, and stays among inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tune_am.am.device import device_of
from tune_am.am.prior import Prior
from tune_am.errors import UserError, reason

# Inputs that a prior makes to see which range they have, and the share of their values that may lie
# outside the range that is promised: a network without a last bound strays a little.
_DRAWN, _BEYOND = 32, 0.01


@torch.enable_grad()
def expect_gradient(read: Callable[[Tensor], Mapping[str, Tensor]], x: Tensor) -> None:
    """`UserError` where an output of `read`, named, is not finite or has no gradient for `x`."""
    for what, values in read(x.clone().requires_grad_()).items():
        if not torch.isfinite(values).all():
            raise UserError(f"{what} is NaN or infinite: look at the weights")
        if not values.requires_grad:
            raise UserError(
                f"{what} has no gradient, along which examples are found: is it computed under "
                "torch.no_grad?"
            )


def drawn(prior: Prior, n: int) -> Tensor:
    """`n` starts [n, *latent_shape] of `prior`, where it is; `UserError` where it has a `sample` of
    its own that does not draw such."""
    what, shape = type(prior).__name__, [n, *prior.latent_shape]
    try:
        z = prior.sample(n, torch.Generator().manual_seed(0), 1.0, 0.0)  # as an ascent calls it
    except Exception as error:  # whatever a user's code raises
        raise UserError(f"{what} draws no starts: {reason(error, kind=True)}") from None
    found = list(z.shape) if isinstance(z, Tensor) else type(z).__name__
    if found != shape:
        raise UserError(f"{what} draws starts of shape {found}, {shape} were asked for")
    return z.to(device_of(prior))


@torch.no_grad()
def expect_range(prior: Prior, promised: tuple[float | None, float | None]) -> None:
    """`UserError` where `prior` makes inputs that are not finite or beyond the range `promised`."""
    low, high = (
        limit if end is None else end
        for end, limit in zip(promised, (-torch.inf, torch.inf), strict=True)
    )
    made = prior(drawn(prior, _DRAWN))
    if not torch.isfinite(made).all():
        raise UserError("the prior gives NaN or infinity: look at its weights")
    beyond = ((made < low) | (made > high)).float().mean()
    if beyond > _BEYOND:
        raise UserError(
            f"the prior makes inputs from {float(made.min()):g} to {float(made.max()):g}, an input "
            f"is said to be from {low:g} to {high:g}: rescale what the prior gives"
        )
