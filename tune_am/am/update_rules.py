"""What an ascent makes of its gradients: steps of one tensor, in place.

Both rules work number by number, so starts do not touch each other. Their steps are those of
`torch.optim` to the last bit; that package loads PyTorch's compiler, which would cost every worker
of a search two seconds.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tune_am.am.settings import Settings

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, as published


class Momentum:
    """Gradient descent with momentum m: ``v = m * v + g``, ``z = z - lr * v``.

    state: what a later `step` needs beside the gradient, by name.
    """

    def __init__(self, latents: Tensor, momentum: float) -> None:
        self._momentum = momentum
        self.state = {"velocity": torch.zeros_like(latents)}

    def step(self, latents: Tensor, gradient: Tensor, lr: float) -> None:
        velocity = self.state["velocity"].mul_(self._momentum).add_(gradient)
        latents.sub_(velocity, alpha=lr)


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1): running means of the gradient and of its square, both
    freed of the bias towards the zeros that they begin with.

    state: as of `Momentum`.
    """

    def __init__(self, latents: Tensor) -> None:
        self.state = {
            "steps": torch.zeros(()),
            "mean": torch.zeros_like(latents),
            "square": torch.zeros_like(latents),
        }

    def step(self, latents: Tensor, gradient: Tensor, lr: float) -> None:
        steps = int(self.state["steps"].add_(1))
        mean = self.state["mean"].lerp_(gradient, 1 - BETA1)
        square = self.state["square"].mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        root = (square.sqrt() / (1 - BETA2**steps) ** 0.5).add_(EPSILON)
        latents.addcdiv_(mean, root, value=-lr / (1 - BETA1**steps))


def update_rule(settings: Settings, latents: Tensor) -> Momentum | Adam:
    if settings.optimizer == "sgd":
        return Momentum(latents, settings.momentum)
    return Adam(latents)
