"""What the discriminators see of excerpts."""

import torch

from tune_am.vocal.diff_augment import CHANGES, HIDDEN, diff_augment


def test_a_part_is_hidden_and_the_rest_is_louder_or_softer():
    torch.manual_seed(0)
    x, blank = torch.full((200, 80, 115), 3.0), torch.full((80,), -9.0)
    seen = diff_augment(x, blank)

    hidden = seen == -9.0
    shares = hidden.flatten(1).float().mean(dim=1)
    assert shares.max() <= HIDDEN**2 * 1.05
    assert shares.min() > 0.04  # a corner: a quarter of the largest
    gains = seen.masked_fill(hidden, 0).flatten(1).max(dim=1).values - 3
    assert gains.abs().max() <= CHANGES.gain
    assert gains.std() > CHANGES.gain / 3
    for one, gain, gone in zip(seen, gains, hidden, strict=True):
        torch.testing.assert_close(one[~gone], (3 + gain).expand_as(one[~gone]))


def test_the_gradient_goes_through_what_is_seen():
    torch.manual_seed(0)
    x = torch.randn(4, 80, 115, requires_grad=True)
    seen = diff_augment(x, torch.full((80,), -9.0))
    seen.sum().backward()

    assert x.grad is not None
    # Shifted frames repeat an edge, so sums are kept, place by place they are not.
    assert x.grad.sum() == (seen != -9.0).sum()
