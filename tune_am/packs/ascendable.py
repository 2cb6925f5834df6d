"""Whether an ascent can climb through a user's networks, and stays among inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from tune_am.errors import UserError, reason
from tune_am.packs.device import device_of
from tune_am.packs.prior import Prior
from tune_am.packs.recurrent import differentiable

# Inputs that a prior makes to see which range they have, and the share of their values that may lie
# outside the range that is promised: a network without a last bound strays a little.
_DRAWN, _BEYOND = 32, 0.01


@torch.enable_grad()
def expect_gradient(read: Callable[[Tensor], Mapping[str, Tensor]], x: Tensor) -> None:
    """`UserError` where an output of `read`, named, is not finite or has no gradient for `x`."""
    x = x.clone().requires_grad_()
    try:
        with differentiable(recurrent=True):  # whatever it is: one input is soon read
            outputs = read(x)
    except Exception as error:  # whatever a user's network raises
        raise UserError(
            f"no gradient can be taken, along which examples are found: {reason(error, kind=True)}"
        ) from None
    for what, values in outputs.items():
        if not torch.isfinite(values).all():
            raise UserError(f"{what} is NaN or infinite: look at the weights")
        lacking = f"{what} has no gradient, along which examples are found"
        try:
            followed = depends(values, [x])
        except RuntimeError as error:
            raise UserError(f"{lacking}: {reason(error, kind=True)}") from None
        if not followed:
            raise UserError(
                f"{lacking}: is something on its way detached, made an integer, or computed under "
                "torch.no_grad or inference_mode?"
            )


@torch.enable_grad()
def independent(read: Callable[[Tensor], Mapping[str, Tensor]], x: Tensor) -> set[str]:
    """The outputs of `read` that do not depend on `x`, as learnt positions of tokens do not; none
    where that cannot be told, for `expect_gradient` to say why."""
    x = x.clone().requires_grad_()
    try:
        with differentiable(recurrent=True):
            outputs = read(x)
        return {name for name, values in outputs.items() if not depends(values, [x])}
    except Exception:  # whatever a user's network raises
        return set()


def depends(output: Tensor, on: Sequence[Tensor]) -> bool:
    """Whether `output` has a gradient for any tensor of `on`; `RuntimeError` where it cannot be
    computed."""
    able = [tensor for tensor in on if tensor.requires_grad]
    if not (output.requires_grad and able):  # weights that are trained make the first true
        return False
    found = torch.autograd.grad(output.sum(), able, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


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
