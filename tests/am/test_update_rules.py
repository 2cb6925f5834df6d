"""The update rules against PyTorch's own optimisers, to the last bit."""

from __future__ import annotations

import pytest
import torch

from tune_am.am.settings import Settings
from tune_am.am.update_rules import update_rule


@pytest.mark.parametrize(
    "settings",
    [
        Settings(lr=0.1),
        Settings(lr=0.1, optimizer="sgd", momentum=0.0),
        Settings(lr=0.1, optimizer="sgd", momentum=0.9),
    ],
)
def test_steps_are_those_of_pytorch(settings: Settings) -> None:
    draws = torch.Generator().manual_seed(0)
    latents = torch.randn(5, 8, generator=draws)
    theirs = latents.clone().requires_grad_()
    if settings.optimizer == "sgd":
        optimizer = torch.optim.SGD([theirs], settings.lr, momentum=settings.momentum)
    else:
        optimizer = torch.optim.Adam([theirs], settings.lr)
    rule = update_rule(settings, latents)
    for step in range(60):
        lr = settings.lr / (1 + step) ** 0.5
        gradient = 10.0 ** (step % 7 - 3) * torch.randn(5, 8, generator=draws)
        gradient[0] = 0.0  # as of a frozen start
        rule.step(latents, gradient, lr)
        theirs.grad, optimizer.param_groups[0]["lr"] = gradient.clone(), lr
        optimizer.step()
        assert torch.equal(latents, theirs)
