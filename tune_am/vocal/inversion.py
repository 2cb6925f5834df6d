"""From log-mel back to the latent: the excerpt of the prior that is nearest to a given one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rich.progress import track
from torch import Tensor, nn

from tune_am.packs.device import CPU_CHUNK


@dataclass(frozen=True)
class Inversion:
    """How excerpts are inverted: Adam from each start for a while, then on from the best.

    Measured on 32 validation excerpts with the pack's first generator: beginning where an encoder
    trained on its samples says (ridge regression or convolutions) left the error 0.1 dB lower than
    beginning at the prior's centre, after 100 steps; training it costs more steps than that saves.
    """

    race: int = 25  # steps from each start
    steps: int = 175  # steps from where the best of them came to
    # Falls to zero along a cosine, both times. A third of it left the error 0.2 dB higher.
    lr: float = 0.3
    # Nats of error that one unit of |z|² must win. Without it one latent ended three times as far
    # out as samples of the prior lie; ten times as much kept the mean |z| at half of theirs.
    l2: float = 1e-4


def invert(
    generator: nn.Module, x: Tensor, starts: Tensor, inversion: Inversion = Inversion()
) -> Tensor:
    """Latents ``[n, latent]`` whose log-mel is nearest to ``x: [n, BANDS, FRAMES]``.

    Minimises the mean of |G(z) - x| (nats) + l2 |z|², each excerpt by itself, from all of its
    ``starts: [k, n, latent]``. (Descending the mean square left a higher absolute error.)
    """
    k, n, latent = starts.shape
    every = x.expand(k, *x.shape).flatten(0, 1)
    z, objective = _descend(generator, every, starts.flatten(0, 1), inversion.race, inversion)
    best = objective.view(k, n).argmin(dim=0)
    z = z.view(k, n, latent)[best, torch.arange(n)]
    return _descend(generator, x, z, inversion.steps, inversion)[0]


def nearest(x: Tensor, drawn: Tensor) -> Tensor:
    """Index ``[n]`` of the excerpt of ``drawn: [m, ...]`` nearest to each of ``x: [n, ...]``, by
    mean absolute error."""
    return torch.cdist(x.flatten(1), drawn.flatten(1), p=1).argmin(dim=1)


def _descend(
    generator: nn.Module, x: Tensor, z: Tensor, steps: int, inversion: Inversion
) -> tuple[Tensor, Tensor]:
    """Of ``steps`` evaluations each row's best latent ``[n, latent]`` and its objective ``[n]``."""
    kept, lowest = z.clone(), torch.full((len(z),), torch.inf)
    for rows in track(torch.arange(len(z)).split(CPU_CHUNK), f"{steps} steps"):
        latents = z[rows].requires_grad_()
        adam = torch.optim.Adam([latents], lr=inversion.lr)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
        for _ in range(steps):
            error = (generator(latents) - x[rows]).abs().mean(dim=(1, 2))
            objective = error + inversion.l2 * latents.square().sum(dim=1)
            (latents.grad,) = torch.autograd.grad(objective.sum(), latents)
            better = objective.detach() < lowest[rows]
            kept[rows] = torch.where(better[:, None], latents.detach(), kept[rows])
            lowest[rows] = torch.where(better, objective.detach(), lowest[rows])
            adam.step()
            schedule.step()
    return kept, lowest
