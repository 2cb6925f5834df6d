import pytest
import torch

from tune_am.vocal.melspec import LOG_FLOOR
from tune_am.vocal.nets import Detector, Discriminator, Generator


def test_detector_is_the_published_one():
    shapes = {name: tuple(p.shape) for name, p in Detector().named_parameters()}

    assert shapes["conv1.weight"] == (64, 1, 3, 3)
    assert shapes["conv2.weight"] == (32, 64, 3, 3)
    assert shapes["conv4.weight"] == (128, 32, 3, 3)
    assert shapes["conv5.weight"] == (64, 128, 3, 3)
    assert shapes["fc7.weight"] == (256, 64 * 7 * 11)
    assert shapes["fc8.weight"] == (64, 256)
    assert shapes["fc9.weight"] == (1, 64)


def test_folding_batch_norm_changes_nothing():
    torch.manual_seed(0)
    trained = Detector(channels=(4, 3, 5, 4), dense=(8, 6), batch_norm=True)
    trained.mean += 0.3
    for _ in range(5):  # move the running statistics away from 0 and 1
        trained(2 * torch.randn(8, 80, 115) - 1)
    for norm in (trained.norm1, trained.norm2, trained.norm4, trained.norm5):
        torch.nn.init.normal_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    plain = Detector(channels=(4, 3, 5, 4), dense=(8, 6))

    plain.load_state_dict(trained.folded())

    x = torch.randn(3, 80, 115)
    torch.testing.assert_close(plain.eval()(x), trained.eval()(x))


def test_standardisation_is_inside():
    torch.manual_seed(0)
    plain = Detector(channels=(4, 3, 5, 4), dense=(8, 6)).eval()
    x = torch.randn(2, 80, 115)
    expected = plain(x)
    plain.mean.copy_(torch.linspace(-9, -5, 80))
    plain.std.copy_(torch.linspace(1, 3, 80))

    shifted = x * plain.std[:, None] + plain.mean[:, None]

    torch.testing.assert_close(plain(shifted), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("frames", [115, 64])
def test_generator_gives_floored_log_mel(frames):
    generator = Generator(latent=8, channels=16, frames=frames).eval()
    generator.mean.fill_(LOG_FLOOR)  # so that half of what it draws is below

    x = generator(3 * torch.randn(5, 8))

    assert x.shape == (5, 80, frames)
    assert x.min() == torch.tensor(LOG_FLOOR)


def test_the_discriminator_signal_survives_its_depth():
    torch.manual_seed(0)
    discriminator = Discriminator().train()
    x = torch.randn(16, 80, 115)
    for _ in range(20):  # let the power iteration of the spectral norm settle
        scores = discriminator(x)
    assert scores.shape == (16,)
    assert scores.std() > 0.01
