import pytest
import torch
from torch import nn

from tune_am.vocal.inversion import Inversion, invert, nearest
from tune_am.vocal.nets import Generator


class Constant(nn.Module):
    """One number, all over the excerpt: G(z) = z."""

    def forward(self, z):
        return z[:, :, None].expand(-1, 4, 5)


def test_finds_its_own_samples_again():
    torch.manual_seed(0)
    generator = Generator(latent=4, channels=16, stages=1).eval().requires_grad_(False)
    generator.mean.fill_(-5.0)
    generator.std.fill_(3.0)
    for weight in generator.parameters():
        if weight.dim() > 1:
            nn.init.kaiming_normal_(weight)
    z = torch.randn(4, 4)
    x = generator(z)
    starts = torch.randn(2, 4, 4)

    found = invert(generator, x, starts, Inversion(race=40, steps=200, l2=0))

    away = (generator(starts[0]) - x).abs().mean()
    assert away > 1
    assert (generator(found) - x).abs().mean(dim=(1, 2)).max() < 0.01 * away
    torch.testing.assert_close(found, z, atol=0.02, rtol=0)
    brief = Inversion(race=2, steps=4)
    again = [invert(generator, x, starts, brief) for _ in range(2)]
    assert torch.equal(*again)


def test_the_penalty_stops_where_the_next_step_costs_more_than_it_wins():
    # |z - x| + l2 z² is least at x, or at 1 / (2 l2) where that is nearer to zero.
    x = torch.tensor([0.5, 1.0, 3.0, -8.0])
    starts = torch.zeros(1, 4, 1)

    z = invert(Constant(), x[:, None, None].expand(-1, 4, 5), starts, Inversion(l2=0.25))

    expected = torch.tensor([0.5, 1.0, 2.0, -2.0])
    torch.testing.assert_close(z[:, 0], expected, atol=0.01, rtol=0)


def test_goes_on_from_the_best_start():
    x = torch.full((1, 4, 5), 3.0)
    starts = torch.tensor([-50.0, 2.5, 40.0]).view(3, 1, 1)

    z = invert(Constant(), x, starts, Inversion(race=1, steps=1, l2=0))

    assert z.item() == 2.5  # of one evaluation the best is where it was


@pytest.mark.parametrize("rows", [1, 8, 9])
def test_excerpts_do_not_touch_each_other(rows):
    x = torch.linspace(-3, 3, 20)[:, None, None].expand(-1, 4, 5)
    starts = torch.zeros(2, 20, 1)
    starts[1] = 1.0
    setting = Inversion(race=5, steps=10)

    alone = invert(Constant(), x[:rows], starts[:, :rows], setting)

    torch.testing.assert_close(alone, invert(Constant(), x, starts, setting)[:rows])


def test_nearest_is_by_absolute_error():
    even, peaked = torch.full((2, 2), 0.6), torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    x = torch.stack([torch.zeros(2, 2), torch.ones(2, 2)])  # the first is nearer to `even` squared

    assert nearest(x, torch.stack([even, peaked])).tolist() == [1, 0]
